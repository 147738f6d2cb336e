"""A text with a label, and what it has in common with others."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """One text of a concept set."""

    text: str
    """The text."""
    label: bool
    """Whether the concept is there."""
    group: str
    """What it shares with others: a topic, its words, a twin. Whatever is held out is held out by whole groups."""
    style: str
    """How it is written, e.g. review, chat or code."""
    language: str = "en"
    """ISO 639-1 code."""
    is_near: bool = False
    """Whether it looks like the other label: a twin that differs in little, or the concept's words without it."""
