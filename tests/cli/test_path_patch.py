"""`hooke path-patch`."""

from pathlib import Path

import pytest

from hooke.specimens import build
from hooke.text.pairs import pairs_to_jsonl
from tests.cli.conftest import Hooke


@pytest.fixture
def pairs(tmp_path: Path, hooke: Hooke) -> Path:
    """Pairs of the induction specimen, which is kept in the lab, whose order of tokens differs."""
    assert hooke("specimen build induction").code == 0
    file = tmp_path / "pairs.jsonl"
    file.write_text(pairs_to_jsonl([pair for pair in build("induction").pairs if pair.group == "order"]))
    return file


def test_the_planted_path_is_shown_beside_its_control(hooke: Hooke, pairs: Path):
    data = hooke(f"path-patch specimen-induction --pairs {pairs} --to a1.h0<k> --top 1 --json").data
    assert data["effects"]["a0.h0"] == pytest.approx(1, abs=0.05)
    (finding,) = data["strongest"]
    assert finding["claim"].startswith("a0.h0 to a1.h0<k>")
    assert abs(finding["control"]) < 0.5
    out = " ".join(hooke(f"path-patch specimen-induction --pairs {pairs} --top 1").out.split())
    assert "Paths to logits" in out
    assert "control: a random direction as long as what the sender changed" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "either --task NAME or --pairs FILE"),
        ("--to a1.h9", "No receiver 'a1.h9'"),
        ("--through heads", "There are: mlps, nothing"),
        ("--metric loss", "no metric 'loss'"),
    ],
)
def test_wrong_words_are_refused(hooke: Hooke, pairs: Path, words: str, says: str):
    given = words and f"--pairs {pairs} {words}"
    done = hooke(f"path-patch specimen-induction {given}")
    assert done.code == 2
    assert says in " ".join(done.err.split())
