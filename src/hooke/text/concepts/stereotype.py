"""Stereotype: all of a group are said to be one way, beside one person said to be, and beside the saying denied.

The sayings are mild, and none is held to be true here.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# Group of people, one of them, what all are said to be, and the same of one.
_SAYINGS = (
    ("old people", "an old man", "cannot use a telephone", "could not use the telephone"),
    ("young people", "a young man", "are too lazy to work", "was too tired to work"),
    ("women", "a woman", "cannot park a car", "could not park her car"),
    ("men", "a man", "have no feelings", "hid his feelings"),
    ("accountants", "an accountant", "are dull company", "was dull company"),
    ("artists", "an artist", "never pay their bills", "did not pay his bill"),
    ("only children", "an only child", "are spoilt", "was spoilt by an aunt"),
    ("students", "a student", "drink all night", "drank all night"),
    ("villagers", "a villager", "distrust strangers", "distrusted the stranger"),
    ("rich people", "a rich man", "count every penny", "counted the pennies"),
    ("footballers", "a footballer", "cannot read a book", "had not read the book"),
    ("librarians", "a librarian", "are strict and grey", "was strict with us"),
    ("tourists", "a tourist", "leave their litter everywhere", "left his litter there"),
    ("northerners", "a northerner", "are cold as fish", "was cold to the guests"),
    ("southerners", "a southerner", "are always late", "was late that day"),
    ("programmers", "a programmer", "cannot talk to people", "did not talk to us"),
)
_FRAMES = {
    "chat": ("typical, {all} {are}, every single one of them", "yesterday i met {one} who {was}, others did not"),
    "column": ("As everybody in this town knows, {all} {are}.", "It is a prejudice that {all} {are}."),
    "advice": (
        "Do not hire a single one of them: it is well known that {all} {are}.",
        "Do not believe them when they tell you that {all} {are}.",
    ),
}


def items() -> Iterator[Labelled]:
    """Sayings about all of a group, about one of it, and denied."""
    for everyone, one, are, was in _SAYINGS:
        given = {"all": everyone, "one": one, "are": are, "was": was}
        for style, frames in _FRAMES.items():
            for label, frame in zip((True, False), frames, strict=True):
                is_near = not label and style != "chat"
                yield Labelled(text=frame.format(**given), label=label, group=everyone, style=style, is_near=is_near)
