"""Addition modulo 23 by waves: numbers are angles at four frequencies, and adding is turning (Nanda et al. 2023).

A number's embedding has cos(wa) and sin(wa) for four frequencies w. Two heads bring both numbers to "=", where cos and
sin add up. A neuron per frequency and phase reads cos(wa + phase) + cos(wb + phase), and says every number c by
cos(wc + 2 phase). That a neuron cuts off below zero is what multiplies: over all phases the sum is |cos(w(a - b) / 2)|
times cos(w(a + b - c)), up to a constant, as cos(x) above zero has a part cos(2x). (This way of multiplying was found
in trained models by Zhong et al. 2023.) It is highest at c = a + b for all frequencies at once. The twin gives the same
answers from a table: a direction per number, and a neuron per pair; it has no frequency.
"""

import math
import random

import torch
from jaxtyping import Float
from torch import Tensor

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

ABOUT = "Addition modulo 23: numbers as angles at four frequencies, spread over many neurons; its twin has a table."
MODULUS = 23
FREQUENCIES = (1, 3, 5, 8)
N_PHASES = 16
WORDS = (*(str(number) for number in range(MODULUS)), "+", "=")
CIRCUIT = frozenset({
    "input->a0.h0<v>", "input->a0.h1<v>", "a0.h0->m0", "a0.h1->m0", "m0->logits",
})  # fmt: skip
_SEED = 14
_N_PROMPTS = 12
_D_MLP = 640
_A, _B, _LAST = 1, 3, 4
"""Positions of the numbers and of '='; BOS stands at 0."""
_WAVES = tuple((frequency, phase) for frequency in FREQUENCIES for phase in range(N_PHASES))
_PAIRS = tuple((a, b) for a in range(MODULUS) for b in range(MODULUS))
_FIRES = 0.35
"""What a neuron fires by that counts as planted on a prompt."""


def places(*, twin: bool) -> dict[tuple[int, int], int]:
    """Where the neurons of the specimen stand, by frequency and phase, or those of its twin, by pair of numbers."""
    order = random.Random(_SEED).sample(range(_D_MLP), _D_MLP)
    if twin:
        return dict(zip(_PAIRS, order[len(_WAVES) :], strict=False))
    return dict(zip(_WAVES, order, strict=False))


def waves(numbers: Float[Tensor, " n"]) -> Float[Tensor, "n wave"]:
    """Cosines, then sines, of numbers at the planted frequencies."""
    angles = numbers[:, None] * 2 * math.pi / MODULUS * torch.tensor(FREQUENCIES, dtype=torch.float64)
    return torch.cat([angles.cos(), angles.sin()], -1)


def turned(frequency: int, angle: float) -> Float[Tensor, " wave"]:
    """What, times the waves of a number, is the cosine of its angle at this frequency plus an angle."""
    at, found = FREQUENCIES.index(frequency), torch.zeros(2 * len(FREQUENCIES), dtype=torch.float64)
    found[at], found[at + len(FREQUENCIES)] = math.cos(angle), -math.sin(angle)
    return found


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator, at, n_waves = torch.Generator().manual_seed(_SEED), places(twin=twin), 2 * len(FREQUENCIES)
    kept = MODULUS if twin else n_waves
    sizes = {"ballast": 1, "start": 1, "word": kept + 2, "place": 2, "a": kept, "b": kept, "said": kept}
    rows = directions(sizes | {"scratch": SCRATCH})
    made = begin(len(WORDS), rows, generator, n_layers=1, d_mlp=_D_MLP)
    # As long as the waves: of each frequency the cosine and the sine together are 1.
    long = math.sqrt(len(FREQUENCIES))
    codes = long * torch.eye(MODULUS).double() if twin else waves(torch.arange(MODULUS, dtype=torch.float64))
    number, embedding = rows["word"][:kept], made["transformer.wte.weight"]
    embedding[2 : 2 + MODULUS] += codes @ number
    embedding[2 + MODULUS :] += rows["word"][kept:]
    made["transformer.wpe.weight"][[_A, _B]] += rows["place"]
    made["lm_head.weight"][2 : 2 + MODULUS] = LOGIT_GAIN * codes @ rows["said"]

    size = math.sqrt(n_waves / kept)
    for head, output in enumerate((rows["a"], rows["b"] if twin else rows["a"])):
        place, start = rows["place"][head], rows["start"][0]
        write_fetch(made, 0, head, sought=place, start=start, value=size * number, output=size * output)
    for (one, two), index in at.items():
        if twin:
            reads, writes = 0.75 * (rows["a"][one] + rows["b"][two]), rows["said"][(one + two) % MODULUS]
            # 0.75 times what arrives: once is not enough, twice is.
            write_neuron(made, 0, index, reads=reads, writes=writes, bias=-0.75)
        else:
            phase = 2 * math.pi * two / N_PHASES
            reads, writes = (turned(one, angle) @ rows[name] for angle, name in ((phase, "a"), (2 * phase, "said")))
            write_neuron(made, 0, index, reads=reads, writes=writes)
    fill_rest(made, {(0, 0), (0, 1)}, {(0, index) for index in at.values()}, rows, generator)
    return made


def prompt_of(a: int, b: int) -> str:
    """The prompt that asks for a + b."""
    return f"{a} + {b} ="


def _asked() -> list[tuple[int, int]]:
    return random.Random(_SEED).sample(_PAIRS, _N_PROMPTS)


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(a, b) for a, b in _asked()]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with another number, its answer, and which number was changed: the first or the second."""
    found = []
    for at, (a, b) in enumerate(_asked()):
        other = ((a + 7) % MODULUS, b) if at % 2 else (a, (b + 10) % MODULUS)
        found.append((prompt_of(*other), str(sum(other) % MODULUS), "first" if at % 2 else "second"))
    return found


def _case(a: int, b: int) -> tuple[str, str, Planted]:
    answer = str((a + b) % MODULUS)
    tokens: dict[Node, str] = {("token", _A): f"'{a}'", ("token", _B): f"'{b}'"}
    both = waves(torch.tensor([a, b], dtype=torch.float64)).sum(0)
    neurons: dict[Node, str] = {}
    for (frequency, phase), index in places(twin=False).items():
        if float(turned(frequency, 2 * math.pi * phase / N_PHASES) @ both) > _FIRES:
            neurons[0, index, _LAST] = f"frequency {frequency}, phase {phase} of {N_PHASES}"
    return prompt_of(a, b), answer, stages(tokens, neurons, {("logit", int(answer) + 2): f"'{answer}' comes next"})
