from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.text import lines
from hooke.text.lines import json_object, read_lines


def refuse(found: str) -> BadRequest:
    return BadRequest("No.", found)


def test_lines_keep_their_numbers_and_empty_ones_are_left_out(tmp_path: Path):
    path = tmp_path / "lines.txt"
    path.write_text("one\n\n  \nfour\n")
    assert read_lines(path, "words", refuse) == [(1, "one"), (4, "four")]


def test_what_cannot_be_read_is_refused_in_the_caller_s_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "long.txt").write_text("a\nb\nc\n")
    monkeypatch.setattr(lines, "_MOST", 2)
    for name, found in (
        ("empty.txt", "It has 0 words."),
        ("long.txt", "It has 3 words."),
        ("bytes.txt", "utf-8"),
        ("missing.txt", "No such file"),
    ):
        with pytest.raises(BadRequest, match=found):
            read_lines(tmp_path / name, "words", refuse)
    monkeypatch.setattr(lines, "_MAX_BYTES", 3)
    with pytest.raises(BadRequest, match="It has 6 bytes"):
        read_lines(tmp_path / "long.txt", "words", refuse)


def test_a_line_of_json_is_an_object():
    assert json_object(1, '{"a": [1]}', refuse) == {"a": [1]}
    for line, found in (("{", "Line 7: "), ("[" * 100_000, "Line 7: "), ("[3]", r"Line 7 is '\[3\]'")):
        with pytest.raises(BadRequest, match=found):
            json_object(7, line, refuse)
