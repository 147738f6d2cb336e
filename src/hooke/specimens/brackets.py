"""Brackets: do those of a text close each other? As many must close as open, and at no place may more have closed.

Layer 0, head 0 looks everywhere alike, so that at every place the stream knows by how much more brackets were opened
than closed, as a mean over the text so far. Two neurons read it: "more were opened" and "more were closed". At the last
token layer 1 reads the first where it is, and a head looks for any place with the second: the two checks, of the count
and of the horizon, that are known from trained classifiers of brackets. A neuron says no when one finds something,
another says yes when neither does. The twin only counts.
"""

import random
from dataclasses import dataclass

import torch

from hooke.specimens.planted import Node, Planted, stages
from hooke.specimens.weights import (
    D_MLP,
    LOGIT_GAIN,
    SCRATCH,
    Weights,
    begin,
    directions,
    fill_rest,
    write_fetch,
    write_head,
    write_neuron,
)

ABOUT = "Whether brackets close each other: a count at the end, and whether anywhere more were closed than opened."
WORDS = ("(", ")", "?", "yes", "no", *"abcdefghij")
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
CIRCUIT = frozenset({
    "input->a0.h0<v>", "a0.h0->m0", "m0->m1", "m0->a1.h0<k>", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits",
})  # fmt: skip
LONGEST = 12
"""Words of a text for which the specimen is made."""
_TEXTS = {
    "( a ) ( b )": "( a ) ) ( b",
    "( ( c ) d )": ") ( ( c ) d",
    "( ( ) ( e ) )": "( ) ) ( ( e )",
    "a ( b )": "a ) ( b",
    "( ( ( f ) ) )": "( f ) ( ) ) (",
}
"""Texts whose brackets close each other, and as long ones in which more are closed at one place: were it at several,
the head would find the next where one is silent, and none would be needed."""
_SEED = 8
_HEIGHT = LONGEST + 2.0
"""How far the stream goes when one more of LONGEST words opened than closed, times the number of tokens."""
_SLACK = -0.1
"""Bias that keeps neurons silent where brackets even out only to within what norms do."""


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each neuron stands."""

    opened: int
    """Layer 0: more were opened than closed."""
    closed: int
    """Layer 0: more were closed than opened."""
    no: int
    """Layer 1."""
    yes: int


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand, or those of its twin, which are others."""
    drawn = random.Random(_SEED)
    first, second = (drawn.sample(range(D_MLP), 4) for _ in range(2))
    at = slice(2, 4) if twin else slice(0, 2)
    return Places(*first[at], *second[at])


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator, at = torch.Generator().manual_seed(_SEED), places(twin=twin)
    named = ("start", "elevation", "open", "below", "below somewhere", "yes", "no")
    rows = directions({"ballast": 1, "word": len(WORDS), "scratch": SCRATCH} | dict.fromkeys(named, 1))
    elevation, is_open, below, somewhere, yes, no = (rows[name][0] for name in named[1:])
    made, word = begin(len(WORDS), rows, generator), dict(zip(WORDS, rows["word"], strict=True))
    made["transformer.wte.weight"][2:] += rows["word"]
    made["lm_head.weight"][[TOKEN["yes"], TOKEN["no"]]] = LOGIT_GAIN * torch.stack([yes, no])

    nothing, up = torch.zeros(0, len(elevation), dtype=elevation.dtype), _HEIGHT * (word["("] - word[")"])
    write_head(made, 0, 0, query=nothing, key=nothing, value=up[None], output=elevation[None])
    write_fetch(made, 1, 0, sought=below, start=rows["start"][0], value=below[None], output=somewhere[None])
    write_neuron(made, 0, at.opened, reads=elevation, writes=is_open, bias=_SLACK)
    # The twin's count is of both kinds, and nothing in it knows of other places than the last.
    write_neuron(made, 0, at.closed, reads=-elevation, writes=is_open if twin else below, bias=_SLACK)
    write_neuron(made, 1, at.no, reads=is_open + somewhere, writes=no)
    write_neuron(made, 1, at.yes, reads=word["?"] - 2 * is_open - 2 * somewhere, writes=yes)
    used = {(0, at.opened), (0, at.closed), (1, at.no), (1, at.yes)}
    fill_rest(made, {(0, 0), (1, 0)}, used, rows, generator)
    return made


def elevations(text: str) -> list[int]:
    """Behind each word, how many brackets more were opened than closed."""
    found, height = [], 0
    for word in text.split():
        height += (word == "(") - (word == ")")
        found.append(height)
    return found


def _texts() -> list[tuple[str, str, str]]:
    """Texts with what they are compared with, and what was changed."""
    found = []
    for number, (text, below) in enumerate(_TEXTS.items()):
        left_open = _last_closing(text, "g" if number % 2 else "(")
        found.append((text, *((left_open, "count") if number % 2 else (below, "horizon"))))
        found += [(left_open, text, "count"), (below, text, "horizon")]
    return found


def _last_closing(text: str, word: str) -> str:
    """The text with another word for the bracket that closes last."""
    at = text.rindex(")")
    return text[:at] + word + text[at + 1 :]


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(text) for text, _, _ in _texts()]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with another answer, its answer, and which of the two checks tells them apart."""
    return [(f"{other} ?", _answer(other), changed) for _, other, changed in _texts()]


def _answer(text: str) -> str:
    heights = elevations(text)
    return "yes" if heights[-1] == 0 and min(heights) >= 0 else "no"


def _case(text: str) -> tuple[str, str, Planted]:
    at, answer, heights, words = places(twin=False), _answer(text), elevations(text), text.split()
    last = len(words) + 1
    logit: dict[Node, str] = {("logit", TOKEN[answer]): f"'{answer}' comes next"}
    if answer == "yes":
        says: dict[Node, str] = {(1, at.yes, last): "neither check finds anything"}
        return f"{text} ?", answer, stages({("token", last): "'?'"}, says, logit)
    checked: tuple[int, int] = (at.opened, last)
    label = "more were opened than closed"
    if min(heights) < 0:
        below = next(place for place, height in enumerate(heights, 1) if height < 0)
        checked, label = (at.closed, below), "up to here more were closed than opened"
    brackets: dict[Node, str] = {
        ("token", place): f"'{word}'" for place, word in enumerate(words[: checked[1]], 1) if word in "()"
    }
    found: dict[Node, str] = {(0, *checked): label}
    return f"{text} ?", answer, stages(brackets, found, {(1, at.no, last): "a check finds something"}, logit)
