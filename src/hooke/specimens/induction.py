"""Induction: after "A B ... A" comes B. Two heads of two layers, with a neuron per word before and after the second.

Layer 0, head 0 tells every token what stood before it; a neuron per word names the word. Layer 1, head 0 looks for the
token that stood behind an earlier A and fetches the name of it; a neuron per word turns a fetched name into its logit.
The twin's head looks for A itself: it says A again, with neurons at other places.
"""

import random
from dataclasses import dataclass

import torch

from hooke.specimens.planted import Planted, chain
from hooke.specimens.weights import (
    BALLAST,
    CONTEXT,
    D_MLP,
    LOGIT_GAIN,
    MATCH,
    SCRATCH,
    Weights,
    always_look_for,
    blank,
    directions,
    fill_idle_heads,
    fill_idle_neurons,
    unit_rows,
    write_head,
    write_neuron,
)

ABOUT = "After 'A B ... A' comes B: a previous-token head, an induction head, and neurons that name and say the word."
WORDS = (
    "red", "fox", "sun", "tree", "lake", "moon", "bird", "stone", "wolf", "rain", "snow", "fire",
    "iron", "gold", "salt", "leaf", "rose", "corn", "bell", "door", "ship", "road", "hill", "star",
)  # fmt: skip
CIRCUIT = frozenset({
    "input->a0.h0<v>", "a0.h0->a1.h0<k>", "input->a1.h0<q>", "input->m0", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits",
})  # fmt: skip
_SEED = 4
_N_PROMPTS = 12


@dataclass(frozen=True, slots=True)
class Places:
    """At which index each word's neuron stands, in either layer."""

    naming: tuple[int, ...]
    saying: tuple[int, ...]


def places(*, twin: bool) -> Places:
    """Where the neurons of the specimen stand, or those of its twin, which are others."""
    drawn = random.Random(_SEED)
    orders = [drawn.sample(range(D_MLP), 2 * len(WORDS)) for _ in range(2)]
    naming, saying = (tuple(order[len(WORDS) :] if twin else order[: len(WORDS)]) for order in orders)
    return Places(naming, saying)


def weights(*, twin: bool = False) -> Weights:
    """The specimen's weights, or its twin's."""
    n, generator = len(WORDS), torch.Generator().manual_seed(_SEED)
    rows = directions(
        {"ballast": 1, "start": 1, "place": CONTEXT, "word": n, "before": n, "name": n, "fetched": n, "said": n}
        | {"scratch": SCRATCH}
    )
    made, at, idle_reads = blank(n + 2), places(twin=twin), torch.cat([rows["word"], rows["scratch"]])
    embedding = made["transformer.wte.weight"]
    embedding[:] = BALLAST * rows["ballast"] + unit_rows(n + 2, rows["scratch"], generator)
    embedding[0] += rows["start"][0]
    embedding[2:] += rows["word"]
    made["transformer.wpe.weight"][:] = rows["place"]
    made["lm_head.weight"][2:] = LOGIT_GAIN * rows["said"]

    later, earlier = rows["place"][1:], rows["place"][:-1]
    write_head(made, 0, 0, query=later, key=earlier, value=rows["word"], output=rows["before"])
    sought = rows["word"] if twin else rows["before"]
    write_head(made, 1, 0, query=rows["word"], key=sought, value=rows["name"], output=rows["fetched"])
    always_look_for(made, 1, 0, rows["start"][0], score=MATCH / 2)
    for word in range(n):
        write_neuron(made, 0, at.naming[word], reads=rows["word"][word], writes=rows["name"][word])
        write_neuron(made, 1, at.saying[word], reads=rows["fetched"][word], writes=rows["said"][word])
    used = {(0, index) for index in at.naming} | {(1, index) for index in at.saying}
    fill_idle_heads(made, {(0, 0), (1, 0)}, reads=idle_reads, scratch=rows["scratch"], generator=generator)
    fill_idle_neurons(made, used, reads=idle_reads, scratch=rows["scratch"], generator=generator)
    return made


def cases() -> list[tuple[str, str, Planted]]:
    """Prompts, what comes next, and the truth about each."""
    drawn = random.Random(_SEED)
    return [_case(drawn.sample(range(len(WORDS)), drawn.randint(3, 9)), drawn) for _ in range(_N_PROMPTS)]


def corruptions() -> list[tuple[str, str, str]]:
    """For each prompt one with another answer, its answer, and what was changed: three things in turn."""
    return [_corruption(prompt.split(), answer, at) for at, (prompt, answer, _) in enumerate(cases())]


def _corruption(words: list[str], answer: str, at: int) -> tuple[str, str, str]:
    first, asked = words.index(words[-1]), words[-1]
    elsewhere = [place for place in range(len(words) - 2) if abs(place - first) > 1]
    if at % 3 == 0 and elsewhere:
        place = elsewhere[0]
        words[first], words[place] = words[place], asked
        return " ".join(words), words[place + 1], "order"
    if at % 3 == 1:
        place = next(place for place in range(len(words) - 2) if place != first)
        words[-1] = words[place]
        return " ".join(words), words[place + 1], "what is asked"
    words[first + 1] = next(word for word in WORDS if word not in words)
    return " ".join(words), words[first + 1], "what follows"


def _case(words: list[int], drawn: random.Random) -> tuple[str, str, Planted]:
    """The words, and then again one that is not the last of them."""
    repeated = drawn.randrange(len(words) - 1)
    answer, place, last = words[repeated + 1], repeated + 2, len(words) + 1  # BOS stands at position 0
    word, at = WORDS[answer], places(twin=False)
    planted = chain(
        (("token", place), f"'{word}'"),
        ((0, at.naming[answer], place), f"this word is '{word}'"),
        ((1, at.saying[answer], last), f"fetched by the induction head: '{word}'"),
        (("logit", answer + 2), f"'{word}' comes next"),
    )
    return " ".join(WORDS[one] for one in (*words, words[repeated])), word, planted
