"""`hooke patch`."""

import json
from pathlib import Path

import pytest

from hooke.specimens import build
from hooke.text.pairs import pairs_to_jsonl
from tests.cli.conftest import Hooke


@pytest.fixture
def pairs(tmp_path: Path, hooke: Hooke) -> Path:
    """Pairs of the two-hop specimen, which is kept in the lab."""
    assert hooke("specimen build two-hop").code == 0
    file = tmp_path / "pairs.jsonl"
    file.write_text(pairs_to_jsonl(build("two-hop").pairs))
    return file


def test_where_the_answer_is_carried_is_shown_beside_a_control(hooke: Hooke, pairs: Path):
    data = hooke(f"patch specimen-two-hop --pairs {pairs} --top 2 --json").data
    assert data["right"] == 1
    assert data["n_pairs"] == 24
    assert data["columns"][3] == "last changed"
    assert data["effects"][0][3] == pytest.approx(1, abs=0.02)
    assert data["effects"][0][1] is None, "no token is the first of several"
    for finding in data["strongest"]:
        assert finding["value"] == pytest.approx(1, abs=0.02)
        assert abs(finding["control"]) < 0.5
    out = " ".join(hooke(f"patch specimen-two-hop --pairs {pairs} --top 2").out.split())
    assert "resid_post.0" in out
    assert "control: a random direction as long as the real difference" in out
    assert "On 100.0 % of the pairs" in out


def test_neurons_are_estimated_and_said_to_be(hooke: Hooke, pairs: Path):
    out = hooke(f"patch specimen-two-hop --pairs {pairs} --kind neurons --method attribution").out
    assert "neurons.1/" in out
    assert "no run has tried them" in out


def test_pairs_that_do_not_fit_are_left_out_and_named(hooke: Hooke, pairs: Path):
    lines = pairs.read_text().splitlines()
    bad = json.loads(lines[0]) | {"answers": ["Velmish Velmish"]}
    pairs.write_text("\n".join([json.dumps(bad), *lines[1:4]]))
    data = hooke(f"patch specimen-two-hop --pairs {pairs} --top 0 --json").data
    assert data["n_pairs"] == 3
    assert "is not one token" in data["refused"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "either --task NAME or --pairs FILE"),
        ("--task capital", "Did you mean 'capitals'"),
        ("--task capitals", "are the same"),
        ("--pairs none.jsonl", "no pairs to use"),
    ],
)
def test_wrong_words_are_refused(hooke: Hooke, pairs: Path, words: str, says: str):
    done = hooke(f"patch specimen-two-hop {words}")
    assert done.code == 2
    assert says in " ".join(done.err.split())
