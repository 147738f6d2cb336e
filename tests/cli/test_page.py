"""What a verb shows, as a page of its own."""

from pathlib import Path

import pytest

from hooke.cli.answer import Answer
from hooke.cli.page import write_page
from hooke.cli.terminal import Heat, note, table
from hooke.errors import BadRequest

ANSWER = Answer(data={}, shown=(Heat(["<b>", " hot"], [0.0, 1.0]), table(("a",), [("ü",)]), note("quiet")))


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path):
    write_page(ANSWER, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "ü" in text
    assert "background-color: #b4530a" in text, "the light palette, whatever terminal made it"
    assert "://" not in text
    assert "<script" not in text


def test_a_page_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BadRequest, match="could not be written"):
        write_page(ANSWER, tmp_path / "file" / "page.html")
