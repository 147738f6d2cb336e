"""A list that is being sorted: after "7 2 9 sorted 2" comes 7, the smallest number of the list above the last one.

Layer 0 has a neuron per number that names it. Layer 1, head 0 looks, from a number, for all higher ones, the more the
lower they are, and fetches the name; a neuron per number turns a fetched name into its logit. That numbers have an
order stands in the head's queries and keys alone. The twin's head has the order turned round: it looks for lower ones,
the higher the more, with neurons at other places.
"""

import random
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.specimens.planted import Planted, chain
from hooke.specimens.weights import (
    D_MLP,
    LOGIT_GAIN,
    MATCH,
    SCRATCH,
    Weights,
    always_look_for,
    begin,
    directions,
    fill_rest,
    write_head,
    write_neuron,
)

ABOUT = "A list that is being sorted: a head looks for the smallest number above the last one."
N_NUMBERS = 16
SORTED = "sorted"
WORDS = (SORTED, *(str(number) for number in range(1, N_NUMBERS + 1)))
TOKEN = {word: at for at, word in enumerate(WORDS, 2)}
CIRCUIT = frozenset({
    "input->a1.h0<q>", "input->a1.h0<k>", "input->m0", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits",
})  # fmt: skip
_SEED = 10
_N_PROMPTS = 14
_LEAST, _APART = 16.0, 8.0
"""Attention score of the highest number that is sought, and by how much that of the next lower one is higher."""


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each number's neuron stands, in either layer."""

    naming: tuple[int, ...]
    saying: tuple[int, ...]


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand, or those of its twin, which are others."""
    drawn = random.Random(_SEED)
    orders = [drawn.sample(range(D_MLP), 2 * N_NUMBERS) for _ in range(2)]
    naming, saying = (tuple(order[N_NUMBERS:] if twin else order[:N_NUMBERS]) for order in orders)
    return Places(naming, saying)


def scores(*, twin: bool = False) -> Float[Tensor, "word number"]:
    """How much the head looks, from "sorted" (row 0) and from each number, for each number."""
    above = torch.arange(N_NUMBERS) >= torch.arange(N_NUMBERS + 1)[:, None]
    height = torch.arange(N_NUMBERS - 1, -1, -1, dtype=torch.float64)
    found = above * (_LEAST + _APART * height)
    if twin:
        found = torch.cat([found[:1], found[1:].flip(0)]).flip(1)
    return found


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    generator, at = torch.Generator().manual_seed(_SEED), places(twin=twin)
    sizes = {"ballast": 1, "start": 1, "word": len(WORDS)}
    rows = directions(sizes | dict.fromkeys(("name", "fetched", "said"), N_NUMBERS) | {"scratch": SCRATCH})
    made, number = begin(len(WORDS), rows, generator), rows["word"][1:]
    made["transformer.wte.weight"][2:] += rows["word"]
    made["lm_head.weight"][3:] = LOGIT_GAIN * rows["said"]
    sought = scores(twin=twin).T @ rows["word"] / MATCH
    write_head(made, 1, 0, query=sought, key=number, value=rows["name"], output=rows["fetched"])
    always_look_for(made, 1, 0, rows["start"][0], score=_LEAST / 2)
    for one in range(N_NUMBERS):
        write_neuron(made, 0, at.naming[one], reads=number[one], writes=rows["name"][one])
        write_neuron(made, 1, at.saying[one], reads=rows["fetched"][one], writes=rows["said"][one])
    used = {(0, index) for index in at.naming} | {(1, index) for index in at.saying}
    fill_rest(made, {(1, 0)}, used, rows, generator)
    return made


def prompt_of(numbers: list[int], n_done: int) -> str:
    """The list, and as many of its numbers as are sorted already."""
    return " ".join(map(str, [*numbers, SORTED, *sorted(numbers)[:n_done]]))


def _asked() -> list[tuple[list[int], int]]:
    """Lists of different numbers, and how many of them are sorted already; at least one is, and one is not."""
    drawn, found = random.Random(_SEED), []
    for _ in range(_N_PROMPTS):
        numbers = drawn.sample(range(1, N_NUMBERS + 1), drawn.randint(3, 7))
        found.append((numbers, drawn.randrange(1, len(numbers))))
    return found


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    return [_case(numbers, n_done) for numbers, n_done in _asked()]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with another answer, its answer, and what was changed: the list or the last number."""
    return [_corruption(numbers, n_done, at) for at, (numbers, n_done) in enumerate(_asked())]


def _corruption(numbers: list[int], n_done: int, at: int) -> tuple[str, str, str]:
    words, order = prompt_of(numbers, n_done).split(), sorted(numbers)
    if at % 2:
        other = n_done if n_done < len(numbers) - 1 else n_done - 2
        words[-1] = str(order[other]) if other >= 0 else SORTED
        return " ".join(words), str(order[other + 1]), "last number"
    answer = order[n_done]
    above = [one for one in range(order[n_done - 1] + 1, N_NUMBERS + 1) if one not in numbers]
    other = above[at % len(above)] if above else order[0]
    words[numbers.index(answer)] = str(other)
    return " ".join(words), str(min(one for one in (*order[n_done + 1 :], other) if one > order[n_done - 1])), "list"


def _case(numbers: list[int], n_done: int) -> tuple[str, str, Planted]:
    answer, at = sorted(numbers)[n_done], places(twin=False)
    place, last, word = numbers.index(answer) + 1, len(numbers) + 1 + n_done, str(answer)
    planted = chain(
        (("token", place), f"'{word}'"),
        ((0, at.naming[answer - 1], place), f"this number is {word}"),
        ((1, at.saying[answer - 1], last), f"the smallest above the last one: {word}"),
        (("logit", TOKEN[word]), f"'{word}' comes next"),
    )
    return prompt_of(numbers, n_done), word, planted
