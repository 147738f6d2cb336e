"""Greater-than: a war that lasted from 1732 to 17.. ended in a later year. Neurons that fire below a threshold compare.

Layer 0 has, at the first year, neurons that fire where its last digit is below a threshold, where its ten is, and one
per ten. Layer 1 fetches them to the last token; a neuron per threshold says all years of a later ten, and a neuron per
year fires when the first year is of its ten and has a lower last digit. What is asked is as in Hanna et al. 2023: a
year is one token of two digits, and every later one is right. The twin knows of a year only its ten, and says the years
of the same ten, those before as surely as those after, with neurons at other places.
"""

import random
from dataclasses import dataclass

import torch

from hooke.specimens.planted import Node, Planted, stages
from hooke.specimens.weights import (
    LOGIT_GAIN,
    SCRATCH,
    Weights,
    begin,
    directions,
    fill_rest,
    write_fetch,
    write_neuron,
)

ABOUT = "A war from 1732 ends in a later year: neurons below a threshold compare first the tens, then the last digits."
NOUNS = ("war", "siege", "voyage", "reign")
YEARS = tuple(f"{year:02}" for year in range(100))
_PLAIN = ("the", "lasted", "from", "seventeen", "to", *NOUNS)
WORDS = (*_PLAIN, *YEARS)
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
CIRCUIT = frozenset({"input->m0", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits"})
_SEED = 6
_N_PROMPTS = 16
_D_MLP = 256
_AT, _LAST = 6, 8
"""Positions of the first year and of the last token."""
_BOTH = -1.2
"""Bias of a neuron that needs two inputs; so many thresholds are met at once that norms move what is 1 by some 5 %."""


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each neuron stands."""

    ten: dict[int, int]
    """Layer 0: the first year is of this ten."""
    below_ten: dict[int, int]
    """Layer 0: its ten is below this one; so with the last digit."""
    below_unit: dict[int, int]
    later_ten: dict[int, int]
    """Layer 1: this ten is a later one, or, in the twin, the same."""
    later_year: dict[tuple[int, int], int]
    """Layer 1: of the same ten, this last digit is a higher one."""


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand, or those of its twin, which are others."""
    drawn = random.Random(_SEED)
    first, second = (iter(drawn.sample(range(_D_MLP), _D_MLP)) for _ in range(2))
    tens, thresholds = range(10), range(1, 10)
    mine = Places(
        {ten: next(first) for ten in tens},
        {ten: next(first) for ten in thresholds},
        {unit: next(first) for unit in thresholds},
        {ten: next(second) for ten in thresholds},
        {(ten, unit): next(second) for ten in tens for unit in thresholds},
    )
    if not twin:
        return mine
    return Places({ten: next(first) for ten in tens}, {}, {}, {ten: next(second) for ten in tens}, {})


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator = torch.Generator().manual_seed(_SEED)
    sizes = {"ballast": 1, "start": 1, "word": len(_PLAIN) + 1, "ten": 10, "unit": 10}
    found = dict.fromkeys(("is", "below", "digit", "is there", "below there", "digit there"), 10)
    rows = directions(sizes | found | {"said ten": 10, "said": 100, "scratch": SCRATCH})
    made, at = begin(len(WORDS), rows, generator, d_mlp=_D_MLP), places(twin=twin)
    embedding, head, is_year = made["transformer.wte.weight"], made["lm_head.weight"], rows["word"][-1]
    n_plain = len(_PLAIN)
    embedding[2 : 2 + n_plain] += rows["word"][:-1]
    embedding[2 + n_plain :] += is_year + rows["ten"].repeat_interleave(10, 0) + rows["unit"].repeat(10, 1)
    head[2 + n_plain :] = LOGIT_GAIN * (rows["said ten"].repeat_interleave(10, 0) + rows["said"])
    value, output = (torch.cat([rows[name + end] for name in ("is", "below", "digit")]) for end in ("", " there"))
    write_fetch(made, 1, 0, sought=is_year, start=rows["start"][0], value=value, output=output)

    for ten, index in at.ten.items():
        write_neuron(made, 0, index, reads=rows["ten"][ten], writes=rows["is"][ten])
    for ten, index in at.below_ten.items():
        write_neuron(made, 0, index, reads=rows["ten"][:ten].sum(0), writes=rows["below"][ten])
    for unit, index in at.below_unit.items():
        write_neuron(made, 0, index, reads=rows["unit"][:unit].sum(0), writes=rows["digit"][unit])
    for ten, index in at.later_ten.items():
        reads = rows["is there" if twin else "below there"][ten]
        write_neuron(made, 1, index, reads=reads, writes=(2 + _BOTH) * rows["said ten"][ten])
    for (ten, unit), index in at.later_year.items():
        reads = rows["is there"][ten] + rows["digit there"][unit]
        write_neuron(made, 1, index, reads=reads, writes=rows["said"][10 * ten + unit], bias=_BOTH)
    first = {(0, index) for some in (at.ten, at.below_ten, at.below_unit) for index in some.values()}
    second = {(1, index) for some in (at.later_ten, at.later_year) for index in some.values()}
    fill_rest(made, {(1, 0)}, first | second, rows, generator)
    return made


def prompt_of(noun: str, year: int) -> str:
    """The prompt that asks when something ended that began in this year."""
    return f"the {noun} lasted from seventeen {YEARS[year]} to seventeen"


def _asked() -> list[tuple[str, int, int]]:
    """What began, when, and one later year: of the same ten and of another in turn."""
    drawn, found = random.Random(_SEED), []
    for number in range(_N_PROMPTS):
        ten, unit = drawn.randrange(9), drawn.randrange(2, 9)
        year = 10 * ten + unit
        later = (
            drawn.randrange(year + 1, 10 * ten + 10) if number % 2 == 0 else drawn.randrange(10 * ten + 10, len(YEARS))
        )
        found.append((NOUNS[number % len(NOUNS)], year, later))
    return found


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what may come next (first what the truth is about), and the truth about each."""
    return [_case(noun, year, later) for noun, year, later in _asked()]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt the one with the year 01, as Hanna et al. corrupt, and the years that are right only for that."""
    return [(prompt_of(noun, 1), " ".join(YEARS[2 : year + 1]), "year") for noun, year, _ in _asked()]


def _case(noun: str, year: int, later: int) -> tuple[str, str, Planted]:
    at, ten, (later_ten, later_unit), said = places(twin=False), year // 10, divmod(later, 10), YEARS[later]
    compared: dict[Node, str] = {(0, at.below_ten.get(later_ten, -1), _AT): f"its ten is below {later_ten}"}
    last: dict[Node, str] = {(1, at.later_ten.get(later_ten, -1), _LAST): f"it is before the {later_ten}0s"}
    if ten == later_ten:
        below = f"its last digit is below {later_unit}"
        compared = {(0, at.ten[ten], _AT): f"its ten is {ten}", (0, at.below_unit[later_unit], _AT): below}
        last = {(1, at.later_year[ten, later_unit], _LAST): f"it is of the {ten}0s and before {said}"}
    token: dict[Node, str] = {("token", _AT): f"'{YEARS[year]}'"}
    planted = stages(token, compared, last, {("logit", TOKEN[said]): f"'{said}' comes next"})
    right = [said, *(one for one in YEARS[year + 1 :] if one != said)]
    return prompt_of(noun, year), " ".join(right), planted
