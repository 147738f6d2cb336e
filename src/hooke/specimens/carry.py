"""A carry: the tens of 47 + 35. A table of two digits, a neuron that fires where the units pass nine, and both.

At "=" layer 0 has the tens from two heads and the sum of the units from a third, which looks at both alike. A neuron
per pair of tens knows their sum; one neuron fires by how far the units' sum passes nine. Layer 1 has two neurons per
digit: "the tens make it, and nothing is carried" and "the tens make one less, and one is carried". Sums are below 100.
The twin adds the tens and never carries, with neurons at other places.
"""

import random
from dataclasses import dataclass

import torch

from hooke.specimens.planted import Node, Planted
from hooke.specimens.weights import (
    BOTH,
    LOGIT_GAIN,
    SCRATCH,
    Weights,
    begin,
    directions,
    fill_rest,
    write_fetch,
    write_neuron,
)

ABOUT = "The tens of the sum of two numbers: a table of two digits, and a carry where the units pass nine."
DIGITS = tuple("0123456789")
WORDS = (*DIGITS, "+", "=")
CIRCUIT = frozenset({
    *(f"input->a0.h{head}<v>" for head in range(3)), *(f"a0.h{head}->m0" for head in range(3)), "m0->m1", "m1->logits",
})  # fmt: skip
_SEED = 12
_N_PROMPTS = 15
_D_MLP = 256
_TEN_A, _UNIT_A, _TEN_B, _UNIT_B, _LAST = 1, 2, 4, 5, 6
"""Positions of the four digits and of '='; BOS stands at 0."""
_PAIRS = tuple((a, b) for a in range(10) for b in range(10 - a))


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each neuron stands."""

    tens: dict[tuple[int, int], int]
    """Layer 0: by the two tens."""
    carry: int
    """Layer 0: the units pass nine."""
    plain: dict[int, int]
    """Layer 1: by the digit that is said, nothing is carried."""
    carried: dict[int, int]
    """Layer 1: by the digit that is said, one is carried."""


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand, or those of its twin, which are others and carry nothing."""
    drawn = random.Random(_SEED)
    first, second = (iter(drawn.sample(range(_D_MLP), _D_MLP)) for _ in range(2))

    def taken() -> Places:
        tens = {pair: next(first) for pair in _PAIRS}
        plain = {digit: next(second) for digit in range(10)}
        return Places(tens, next(first), plain, {digit: next(second) for digit in range(1, 10)})

    mine, others = taken(), taken()
    return others if twin else mine


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator, at = torch.Generator().manual_seed(_SEED), places(twin=twin)
    sizes = {"ballast": 1, "start": 1, "word": len(WORDS), "place": 4, "units": 1, "carry": 1, "scratch": SCRATCH}
    rows = directions(sizes | dict.fromkeys(("a", "b", "sum", "said"), 10))
    made, digits, start = begin(len(WORDS), rows, generator, d_mlp=_D_MLP), rows["word"][:10], rows["start"][0]
    made["transformer.wte.weight"][2:] += rows["word"]
    made["transformer.wpe.weight"][[_TEN_A, _UNIT_A, _TEN_B, _UNIT_B]] += rows["place"]
    made["lm_head.weight"][2:12] = LOGIT_GAIN * rows["said"]

    ten_a, unit_a, ten_b, unit_b = rows["place"]
    write_fetch(made, 0, 0, sought=ten_a, start=start, value=digits, output=rows["a"])
    write_fetch(made, 0, 1, sought=ten_b, start=start, value=digits, output=rows["b"])
    # The head looks at both units alike, so that their mean arrives: from 0 to 1.
    size = (torch.arange(10, dtype=digits.dtype) / 9) @ digits
    write_fetch(made, 0, 2, sought=unit_a + unit_b, start=start, value=size[None], output=rows["units"])
    for (a, b), index in at.tens.items():
        write_neuron(made, 0, index, reads=rows["a"][a] + rows["b"][b], writes=1.7 * rows["sum"][a + b], bias=BOTH)
    used = {(0, index) for index in at.tens.values()} | {(1, index) for index in at.plain.values()}
    carry = rows["carry"][0]
    for digit, index in at.plain.items():
        write_neuron(made, 1, index, reads=0.4 * rows["sum"][digit] - 3 * carry, writes=2 * rows["said"][digit])
    if not twin:
        # From a ninth to 1, less a little that norms may make of nothing.
        write_neuron(made, 0, at.carry, reads=2 * rows["units"][0], writes=2 * carry, bias=-1.01)
        for digit, index in at.carried.items():
            reads = 2 * rows["sum"][digit - 1] + carry
            write_neuron(made, 1, index, reads=reads, writes=4 * rows["said"][digit], bias=-2.0)
        used |= {(0, at.carry)} | {(1, index) for index in at.carried.values()}
    fill_rest(made, {(0, 0), (0, 1), (0, 2)}, used, rows, generator)
    return made


def prompt_of(a: int, b: int) -> str:
    """The prompt that asks for the tens of a + b."""
    return " ".join(f"{a:02}+{b:02}=")


def answer_of(a: int, b: int) -> str:
    """The tens of a + b, which is below 100."""
    return str((a + b) // 10)


def carries(a: int, b: int) -> bool:
    """Whether the units of a and b pass nine."""
    return a % 10 + b % 10 > 9


def _asked() -> list[tuple[int, int]]:
    """Pairs of numbers with a sum below 100; in two of three the units pass nine, and by some way."""
    drawn, found = random.Random(_SEED), []
    while len(found) < _N_PROMPTS:
        a, b, is_carried = drawn.randrange(100), drawn.randrange(100), len(found) % 3 > 0
        fits = a % 10 + b % 10 > 11 if is_carried else not carries(a, b)
        if a + b < 100 and fits and (a, b) not in found:
            found.append((a, b))
    return found


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(a, b) for a, b in _asked()]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with one digit changed and another answer, its answer, and which digit: a ten or a unit."""
    return [_corruption(a, b, at + at // 3) for at, (a, b) in enumerate(_asked())]


def _corruption(a: int, b: int, turn: int) -> tuple[str, str, str]:
    kinds = {
        "first ten": [(a % 10 + 10 * ten, b) for ten in range(10)],
        "second ten": [(a, b % 10 + 10 * ten) for ten in range(10)],
        "unit": [(a - a % 10 + unit, b) for unit in range(10)] + [(a, b - b % 10 + unit) for unit in range(10)],
    }
    order = list(kinds)[turn % 3 :] + list(kinds)[: turn % 3]
    right = (
        (kind, one) for kind in order for one in kinds[kind] if sum(one) < 100 and answer_of(*one) != answer_of(a, b)
    )
    kind, other = next(right)
    return prompt_of(*other), answer_of(*other), kind


def _case(a: int, b: int) -> tuple[str, str, Planted]:
    at, answer, said = places(twin=False), answer_of(a, b), (a + b) // 10
    (ten_a, unit_a), (ten_b, unit_b), is_carried = divmod(a, 10), divmod(b, 10), carries(a, b)
    made, tens = ten_a + ten_b, (0, at.tens[ten_a, ten_b], _LAST)
    last = (1, (at.carried if is_carried else at.plain)[said], _LAST)
    labels: dict[Node, str] = {("token", _TEN_A): f"'{ten_a}'", ("token", _TEN_B): f"'{ten_b}'"}
    edges: list[tuple[Node, Node]] = [(token, tens) for token in labels]
    if is_carried:
        carry, units = (0, at.carry, _LAST), ((_UNIT_A, unit_a), (_UNIT_B, unit_b))
        # A digit of 0 adds nothing.
        for place, digit in units:
            if digit:
                labels["token", place] = f"'{digit}'"
                edges.append((("token", place), carry))
        edges.append((carry, last))
        labels[carry] = "the units pass nine"
    labels[tens] = f"the tens are {ten_a} and {ten_b}"
    labels[last] = f"the tens make {made}, and {'one' if is_carried else 'nothing'} is carried"
    logit = ("logit", said + 2)
    labels[logit] = f"'{answer}' comes next"
    edges += [(tens, last), (last, logit)]
    return prompt_of(a, b), answer, Planted(tuple(labels), tuple(edges), labels)
