"""`hooke probe`."""

import json
from pathlib import Path
from typing import get_args

import pytest

from hooke.cli.probe import How, Method
from hooke.directions import makers, pooling
from tests.cli.conftest import Hooke

NOUNS = ("bridge", "river", "cat", "mat", "radius", "pont", "iron", "fer")
FIT = (
    "probe fit {} --name told --model MODEL --site resid_post.* --method means --method logistic --pooling mean --json"
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Sentences about a cat or not, in groups by what else is in them."""
    rows = [
        {"text": f"The {noun} {verb} the {animal} there.", "label": animal == "cat", "group": noun}
        for noun in NOUNS
        for verb in ("and", "or", "of")
        for animal in ("cat", "river")
    ]
    path = tmp_path / "told.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_words_are_those_of_the_room() -> None:
    assert get_args(Method) == get_args(makers.Method)
    assert get_args(How) == get_args(pooling.How)


def test_a_probe_is_fitted_shown_listed_and_scores(hooke: Hooke, texts: Path, tmp_path: Path) -> None:
    data = hooke(FIT.format(texts)).data
    assert data["choice"]["method"] in ("means", "logistic")
    assert [one["name"] for one in data["baselines"]][:2] == ["bag of words", "length and format"]
    assert {one["is_beaten"] for one in data["baselines"]} <= {True, False, None}
    shown = hooke("probe show told").out
    assert data["verdict"]["level"] in shown
    assert "not estimable" in shown
    assert "embedding layer" in shown
    levels = {one["name"]: one["level"] for one in hooke("probe list --json").data["probes"]}
    assert levels["told"] == data["verdict"]["level"]
    more = tmp_path / "more.txt"
    more.write_text("The cat sat\n\nThe river\n")
    scored = hooke(f"probe score told {more} --model MODEL --json").data["texts"]
    assert ["".join(one["tokens"]) for one in scored] == ["The cat sat", "The river"]
    assert scored[0]["score"] > scored[1]["score"]
    assert "pooled by mean" in hooke("probe score told cat --model MODEL").out


def test_texts_without_the_concept_can_be_added(hooke: Hooke, texts: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("text,label\n" + "".join(f"Another {at} thing,1\n" for at in range(20)))
    before, after = (hooke(FIT.format(f"{texts}{extra}")).data for extra in ("", f" --without {more}"))
    counts = [one["evidence"]["n_fit"] + one["evidence"]["n_validation"] for one in (before, after)]
    assert counts[1] > counts[0]
    assert after["evidence"]["n_negative"] > before["evidence"]["n_negative"]


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("probe fit sentimnt --model MODEL", 2, "Did you mean 'sentiment'"),
        ("probe fit nowhere.jsonl --model MODEL", 2, "No such file"),
        ("probe fit sentiment --name ../up --model MODEL", 2, "not a name"),
        ("probe fit sentiment --site resid_post.99 --model MODEL", 2, "resid_post.99"),
        ("probe fit sentiment --method means --pooling attention --model MODEL", 2, "Nothing to try"),
        ("probe show nothing", 2, "No probes 'nothing'"),
        ("probe score nothing text", 2, "No probes 'nothing'"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, code: int, said: str) -> None:
    done = hooke(command)
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err
