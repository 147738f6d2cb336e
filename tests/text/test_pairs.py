"""Pairs of prompts from a file."""

import json
from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.text.pairs import PromptPair, pairs_to_jsonl, read_pairs

PAIR = PromptPair(clean="a b", corrupted="a c", answers=(" x",), wrong=(" y", " z"), name="one", group="é")


def test_what_is_written_is_read(tmp_path: Path):
    file = tmp_path / "set.jsonl"
    file.write_text(pairs_to_jsonl([PAIR, PAIR]) + "\n")
    assert read_pairs(file) == [PAIR, PAIR]


def test_one_answer_needs_no_list(tmp_path: Path):
    file = tmp_path / "set.jsonl"
    file.write_text('{"clean": "a", "corrupted": "b", "answers": " x", "wrong": " y"}')
    assert read_pairs(file) == [PromptPair(clean="a", corrupted="b", answers=(" x",), wrong=(" y",))]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "0 pairs"),
        ("{", "Line 1"),
        ("[]", "Line 1"),
        ('{"clean": "a", "corrupted": "b", "answers": "x"}', "lacks 'wrong'"),
        ('{"clean": "a", "corrupted": "b", "answers": [], "wrong": "y"}', "lacks 'answers'"),
        ('{"clean": "", "corrupted": "b", "answers": "x", "wrong": "y"}', "lacks 'clean'"),
        ('{"clean": "a", "corrupted": "b", "answer": "x", "wrong": "y"}', "Did you mean 'answers'"),
        ('{"clean": "a", "corrupted": "b", "answers": [3], "wrong": "y"}', "lacks 'answers'"),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str, says: str):
    file = tmp_path / "set.jsonl"
    file.write_text(line)
    with pytest.raises(BadRequest, match=says):
        read_pairs(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadRequest, match="no pairs to use"):
        read_pairs(tmp_path / "none.jsonl")
    assert json.loads(pairs_to_jsonl([PAIR]))["name"] == "one"
