"""Labelled texts from files."""

import json
from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.text.concepts import Labelled
from hooke.text.labelled_files import read_labelled, texts_in


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def short(items: list[Labelled]) -> list[tuple[str, bool, str]]:
    return [(one.text, one.label, one.group) for one in items]


def test_own_lines(tmp_path: Path) -> None:
    own = {"text": "a", "label": True, "group": "g", "style": "mail", "is_near": True}
    text = lines(own, {"text": "b", "label": False, "group": "g"})
    found = read_labelled(written(tmp_path, "own.jsonl", text))
    assert short(found) == [("a", True, "g"), ("b", False, "g")]
    assert (found[0].style, found[0].is_near, found[1].is_near) == ("mail", True, False)
    # Their groups matter: a line that forgets its own is refused, where a set without any is not.
    with pytest.raises(BadRequest, match="Line 2"):
        read_labelled(written(tmp_path, "own.jsonl", lines(own, {"text": "b", "label": False})))
    bare = read_labelled(written(tmp_path, "bare.jsonl", lines({"text": "a", "label": 1}, {"text": "b", "label": 0})))
    assert short(bare) == [("a", True, "a"), ("b", False, "b")]


def test_statements_go_by_what_they_are_about(tmp_path: Path) -> None:
    text = "statement,label,city\nThe city of Bonn is in Germany.,1,Bonn\nThe city of Bonn is in Peru.,0,Bonn\n"
    found = read_labelled(written(tmp_path, "cities.csv", text))
    assert short(found) == [
        ("The city of Bonn is in Germany.", True, "Bonn"),
        ("The city of Bonn is in Peru.", False, "Bonn"),
    ]


def test_contrasts_lie_in_one_group_with_what_they_contrast(tmp_path: Path) -> None:
    text = "id,prompt,type,label\n1,How do I kill a process?,homonyms,safe\n2,How?,contrast_homonyms,unsafe\n"
    found = read_labelled(written(tmp_path, "xstest.csv", text))
    assert [(one.label, one.group, one.is_near) for one in found] == [
        (False, "homonyms", True),
        (True, "homonyms", False),
    ]


def test_each_public_shape_gives_both_labels_in_one_group(tmp_path: Path) -> None:
    rows = {
        "preferences.jsonl": lines({"chosen": "Human: Hi Assistant: Hello", "rejected": "Human: Hi Assistant: No"}),
        "prefixes.jsonl": lines({"clean_prefix": "The cat", "patch_prefix": "The cats", "clean_answer": " is"}),
        "behaviours.jsonl": lines(
            {"question": "Is it so?", "answer_matching_behavior": " Yes", "answer_not_matching_behavior": " No"}
        ),
    }
    for name, text in rows.items():
        found = read_labelled(written(tmp_path, name, text))
        assert [one.label for one in found] == [True, False], name
        assert len({one.group for one in found}) == 1, name
    assert read_labelled(tmp_path / "behaviours.jsonl")[0].text == "Is it so? Yes"


def test_a_relation_gives_each_subject_its_own_object_and_anothers(tmp_path: Path) -> None:
    data = {
        "name": "capital",
        "prompt_templates": ["The capital of {} is"],
        "samples": [{"subject": "France", "object": "Paris"}, {"subject": "Peru", "object": "Lima"}],
    }
    found = read_labelled(written(tmp_path, "capital.json", json.dumps(data)))
    assert short(found)[:2] == [
        ("The capital of France is Paris", True, "France"),
        ("The capital of France is Lima", False, "France"),
    ]
    assert len(found) == 4


def test_prompts_without_labels_are_given_one(tmp_path: Path) -> None:
    path = written(tmp_path, "turns.jsonl", lines({"turns": ["Write a poem.", "Shorter."], "category": "writing"}))
    assert short(read_labelled(path, label=False)) == [("Write a poem.", False, "Write a poem.")]
    with pytest.raises(BadRequest, match="without labels"):
        read_labelled(path)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("none.jsonl", "", "no rows"),
        ("bad.jsonl", "{", "could not be parsed"),
        ("list.json", "[1]", "first row is '1'"),
        ("other.csv", "a,b\n1,2\n", "columns a, b"),
        ("label.csv", "text,label\na,perhaps\n", "Row 1: the label 'perhaps'"),
        ("later.jsonl", lines({"text": "a", "label": 1}, {"label": 1}), "Row 2 is not like the first"),
        ("empty.jsonl", lines({"text": " ", "label": 1}), "is no text"),
        ("one.json", json.dumps({"prompt_templates": ["{}"], "samples": []}), "one object"),
    ],
)
def test_what_is_no_set_is_refused_and_says_where(tmp_path: Path, name: str, text: str, found: str) -> None:
    with pytest.raises(BadRequest, match=found):
        read_labelled(written(tmp_path, name, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="No such file"):
        read_labelled(tmp_path / "none.jsonl")


def test_a_text_counts_once() -> None:
    a, b = (Labelled(text="a", label=label, group="g", style="") for label in (True, False))
    assert texts_in([[a], [b]]) == [a]
