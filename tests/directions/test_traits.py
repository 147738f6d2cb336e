"""Traits from files."""

import json
from pathlib import Path

import pytest

from hooke.directions.traits import TRAITS, find_trait
from hooke.errors import BadRequest

GOOD = {
    "instruction": [{"pos": "Be rude.", "neg": "Be polite."}],
    "questions": ["Who?", "What?", "When?", "Where?"],
    "eval_prompt": "Is it rude?",
}


def written(folder: Path, data: object) -> str:
    path = folder / "rude.json"
    path.write_text(json.dumps(data))
    return str(path)


def test_the_published_shape_is_read(tmp_path: Path) -> None:
    found = find_trait(written(tmp_path, GOOD))
    assert (found.name, found.instructions, len(found.questions)) == ("rude", (("Be rude.", "Be polite."),), 4)
    assert find_trait(written(tmp_path, {**GOOD, "signs": ["damn"]})).signs == ("damn",)


def test_the_traits_that_come_along_are_whole() -> None:
    for name, trait in TRAITS.items():
        assert find_trait(name) is trait
        assert len(set(trait.questions)) == len(trait.questions) >= 12
        assert trait.signs


@pytest.mark.parametrize(
    ("change", "found"),
    [({"questions": ["Who?"]}, "1 questions"), ({"instruction": [{"pos": "a"}]}, "KeyError"),
     ({"questions": [1, 2, 3, 4]}, "is no text"), ({"instruction": []}, "0 pairs")],
)  # fmt: skip
def test_what_is_no_trait_is_refused(tmp_path: Path, change: dict, found: str) -> None:
    with pytest.raises(BadRequest, match=found):
        find_trait(written(tmp_path, {**GOOD, **change}))
    with pytest.raises(BadRequest, match="enthusiasm"):
        find_trait("cheer")
