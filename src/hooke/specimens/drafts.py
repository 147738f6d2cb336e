"""A specimen's weights while they are being written: words, named directions, fetching heads, neurons by name."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.specimens.weights import (
    BOTH,
    CONTEXT,
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

OF_BOTH = 2 + BOTH
"""What such a neuron fires with."""
AGAINST = 1.5
"""How strongly what stands against a neuron is read, so that it is silent though its input, almost 1, is there."""


@dataclass(slots=True)
class Draft:
    """Weights that are being written. Every token carries the ballast and its word, the first token `start`."""

    made: Weights
    rows: dict[str, Float[Tensor, "n d_model"]]
    """The named directions of the stream."""
    word: dict[str, Float[Tensor, " d_model"]]
    """The direction of each word."""
    said: dict[str, Float[Tensor, " d_model"]]
    """The direction that raises the logit of each word that the specimen can say."""
    generator: torch.Generator
    heads: set[tuple[int, int]] = field(default_factory=set)
    """Heads that are written: (layer, head)."""
    neurons: set[tuple[int, int]] = field(default_factory=set)
    """Neurons that are written: (layer, index)."""

    def each(self, words: Iterable[str]) -> Float[Tensor, "n d_model"]:
        """The directions of these words."""
        return torch.stack([self.word[one] for one in words])

    def either(self, words: Iterable[str]) -> Float[Tensor, " d_model"]:
        """What a neuron or head reads that minds any of these words."""
        return self.each(words).sum(0)

    def fetch(
        self,
        layer: int,
        head: int,
        sought: Float[Tensor, " d_model"],
        value: Float[Tensor, "moved d_model"],
        output: Float[Tensor, "moved d_model"],
    ) -> None:
        """Make a head look for one kind of thing from everywhere, and at the start where there is none."""
        start = self.rows["start"][0]
        write_fetch(self.made, layer, head, sought=sought, start=start, value=value, output=output)
        self.heads.add((layer, head))

    def look_back(
        self, layer: int, head: int, value: Float[Tensor, "moved d_model"], output: Float[Tensor, "moved d_model"]
    ) -> None:
        """Make a head move what stood one token before; for drafts with places."""
        later, earlier = self.rows["place"][1:], self.rows["place"][:-1]
        write_head(self.made, layer, head, query=later, key=earlier, value=value, output=output)
        self.heads.add((layer, head))

    def neuron(
        self,
        layer: int,
        index: int,
        reads: Float[Tensor, " d_model"],
        writes: Float[Tensor, " d_model"],
        bias: float = 0.0,
    ) -> None:
        """Write a neuron; see `weights.write_neuron`."""
        write_neuron(self.made, layer, index, reads=reads, writes=writes, bias=bias)
        self.neurons.add((layer, index))

    def finished(self) -> Weights:
        """The weights, with idle heads and neurons in what is left over."""
        fill_rest(self.made, self.heads, self.neurons, self.rows, self.generator)
        return self.made


def draft(
    words: Sequence[str],
    says: Sequence[str],
    sizes: Mapping[str, int],
    *,
    seed: int,
    n_layers: int = 2,
    places: bool = False,
) -> Draft:
    """Begin a specimen of these words, of which it can say some, with so many directions of each further name.

    With `places`, each position has a direction of its own, so that heads can look back.
    """
    generator = torch.Generator().manual_seed(seed)
    first = {"ballast": 1, "start": 1} | ({"place": CONTEXT} if places else {}) | {"word": len(words)}
    rows = directions(first | dict(sizes) | {"said": len(says), "scratch": SCRATCH})
    made = begin(len(words), rows, generator, n_layers=n_layers, own_places=rows["place"] if places else None)
    token = {word: at for at, word in enumerate(words, 2)}
    made["transformer.wte.weight"][2:] += rows["word"]
    made["lm_head.weight"][[token[one] for one in says]] = LOGIT_GAIN * rows["said"]
    by_word, by_said = dict(zip(words, rows["word"], strict=True)), dict(zip(says, rows["said"], strict=True))
    return Draft(made, rows, by_word, by_said, generator)


def spots(
    mine: Sequence[Sequence[Any]], twins: Sequence[Sequence[Any]], *, seed: int, twin: bool
) -> list[dict[Any, int]]:
    """At which index each named neuron stands, layer by layer: the specimen's, or the twin's, which are others."""
    drawn, found = random.Random(seed), []
    for named, others in zip(mine, twins, strict=True):
        order = drawn.sample(range(D_MLP), D_MLP)
        chosen = zip(others, order[len(named) :], strict=False) if twin else zip(named, order, strict=False)
        found.append(dict(chosen))
    return found
