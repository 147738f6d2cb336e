"""The page loads nothing, escapes everything and is written whole."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from hooke.errors import BadRequest
from hooke.pages.page import TEMPLATES, Section, fragment, page, write_page
from tests.pages.specimens import HOSTILE

SECTIONS = [
    Section(name="one", title=HOSTILE, about=HOSTILE, body=Markup("<p>first</p>")),
    Section(name="two", title="Two", body=Markup("<p>second</p>")),
]


class Tags(HTMLParser):
    """Collects what would be loaded or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(html)
    return parser.found


def test_nothing_is_loaded_and_nothing_runs():
    html = page(HOSTILE, SECTIONS, lead=HOSTILE, provenance={"command": HOSTILE})
    names = {name for name, _ in tags(html)}
    assert names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "video", "audio"} == set()
    for _, attributes in tags(html):
        assert not any(
            name.startswith("on") or name in ("src", "srcset", "action", "background") for name in attributes
        )
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html
    assert "Content-Security-Policy" in html
    assert "default-src 'none'" in html


def test_text_is_escaped_once():
    html = page("a & b", SECTIONS)
    assert "a &amp; b" in html
    assert "&amp;amp;" not in html
    assert "<p>first</p>" in html


def test_sections_can_be_reached():
    html = page("t", SECTIONS)
    assert 'href="#two"' in html
    assert 'id="two"' in html
    assert "<nav>" not in page("t", SECTIONS[:1])


def test_a_value_that_is_not_given_is_an_error():
    with pytest.raises(UndefinedError):
        fragment("page.html", title="t")


def test_both_grounds_and_paper_are_provided_for():
    style = (TEMPLATES / "style.css").read_text()
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    # A colour that is missing on the dark ground would be dark on dark.
    assert set(re.findall(r"(--[\w]+):", light)) == set(re.findall(r"(--[\w]+):", dark))


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path):
    write_page(tmp_path / "new" / "page.html", "<p>")
    assert (tmp_path / "new" / "page.html").read_text() == "<p>"
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRequest, match="could not be written"):
        write_page(tmp_path / "file" / "page.html", "<p>")


def test_a_page_never_takes_the_place_of_a_folder(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadRequest, match="is a folder"):
        write_page(tmp_path / "folder", "<p>")
    assert (tmp_path / "folder").is_dir()
