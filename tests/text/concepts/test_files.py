"""Labelled texts of one's own are read, or refused with the line and what is wrong with it."""

import json
from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.text.concepts import Labelled, open_concept, read_labelled

GOOD = [{"text": "a", "label": True, "group": "g"}, {"text": "b", "label": False, "group": "g", "is_near": True}]


def written(path: Path, lines: list) -> Path:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines), encoding="utf-8")
    return path


def test_what_is_left_out_has_defaults(tmp_path: Path):
    path = written(tmp_path / "mine.jsonl", [*GOOD, ""])
    assert read_labelled(path) == [
        Labelled(text="a", label=True, group="g", style=""),
        Labelled(text="b", label=False, group="g", style="", is_near=True),
    ]
    assert open_concept(str(path)) == ("mine", read_labelled(path))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 3: "),
        ("[1]", r"Line 3 is '\[1\]'"),
        ({"text": "c", "label": 1, "group": "g"}, "Line 3 has '1' as its 'label'"),
        ({"text": " ", "label": True, "group": "g"}, "as its 'text'"),
        ({"text": "c", "label": True}, "Line 3 has 'None' as its 'group'"),
        ({"text": "c", "label": True, "group": "g", "styl": "x"}, "Did you mean 'style'"),
    ],
)
def test_a_wrong_line_is_refused(tmp_path: Path, line: object, said: str):
    with pytest.raises(BadRequest, match=said):
        read_labelled(written(tmp_path / "mine.jsonl", [*GOOD, line]))


def test_one_label_tells_nothing(tmp_path: Path):
    with pytest.raises(BadRequest, match="All of its 1 texts have the label true"):
        read_labelled(written(tmp_path / "mine.jsonl", GOOD[:1]))
    with pytest.raises(BadRequest, match="No such file"):
        read_labelled(tmp_path / "none.jsonl")
