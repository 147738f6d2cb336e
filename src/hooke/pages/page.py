"""The page: a head, sections and a foot in one file that loads nothing and looks the same from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hooke.errors import BadRequest
from hooke.lab import staged
from hooke.pages import numerals

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a page."""

    name: str
    """Where links to it lead: letters, digits and dashes."""
    title: str
    """Its heading."""
    body: Markup
    """What it shows."""
    about: str = ""
    """One or two sentences under the heading."""


@cache
def _environment() -> Environment:
    # Corpus text and model output are everywhere in these pages. Whatever a template says, each value is escaped, and
    # characters that act on their surroundings are replaced by pictures.
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=numerals.harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        name: getattr(numerals, name) for name in ("number", "percent", "signed", "measured", "interval", "token_text")
    }
    return found


def fragment(template: str, **values: Any) -> Markup:
    """A template filled with values; everything that is not markup already is escaped."""
    return Markup(_environment().get_template(template).render(**values))


def page(
    title: str, sections: Sequence[Section], *, lead: str = "", provenance: Mapping[str, str] | None = None
) -> str:
    """A whole page.

    Args:
        lead: what the page is about, in a sentence or two.
        provenance: how it came to be, shown at its foot.
    """
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return fragment(
        "page.html", title=title, sections=sections, lead=lead, provenance=dict(provenance or {}), style=style
    )


def write_page(path: Path, html: str) -> None:
    """Write a page so that a reader sees the old file or the new one, never half of one.

    Raises:
        BadRequest: the place cannot be written to.
    """
    if path.is_dir():
        raise BadRequest(f"'{path}' could not be written.", "It is a folder.", "Name a file in it.")
    try:
        with staged(path) as aside:
            aside.write_text(html, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"'{path}' could not be written.", f"{error.strerror}.", "Choose another place.") from error
