"""Activations of a pair of models whose features are known: most are in both, some in one only.

Both sites have the same space, as a model and one that was trained on from it have. A feature that is in both fires in
both at once.
"""

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.seeds import generator_for

Group = Literal["both", "weak", "first", "second"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""In both alike; in both, the second weakly; in the first only; in the second only."""

D, N_ACTIVE, WEAKNESS = 24, 3, 0.3
"""Dimensions of each site; features in an activation, in the mean; how strong weak features are at the second site."""
COUNTS: dict[Group, int] = {"both": 28, "weak": 12, "first": 12, "second": 12}
"""How many features there are of each group."""
N_PLANTED = sum(COUNTS.values())
N_EXCLUSIVE = COUNTS["first"] + COUNTS["second"]
WORDS: dict[Group, str] = {
    "both": "in both alike",
    "weak": "weak in the second",
    "first": "in the first only",
    "second": "in the second only",
}

_STRENGTHS: dict[Group, tuple[float, float]] = {
    "both": (1.0, 1.0),
    "weak": (1.0, WEAKNESS),
    "first": (1.0, 0.0),
    "second": (0.0, 1.0),
}
_OFFSET, _NOISE = 0.5, 0.02


def group_of() -> tuple[Group, ...]:
    """The group of each planted feature."""
    return tuple(group for group in GROUPS for _ in range(COUNTS[group]))


def planted_pairs(seed: int) -> Float[Tensor, "planted d_of_both"]:
    """What each feature adds to the first site and, beside it, to the second."""
    rows = functional.normalize(torch.randn(N_PLANTED, D, generator=generator_for(seed, "planted pair")), dim=-1)
    strengths = torch.tensor([_STRENGTHS[group] for group in group_of()])
    return (strengths[:, :, None] * rows[:, None]).flatten(1)


def pair_batch(seed: int, number: int, size: int) -> Float[Tensor, "token d_of_both"]:
    """Batch of this number; the same each time. Features are there by chance, each 3 to 6 times its unit."""
    generator = generator_for(seed, f"pair batch {number}")
    there = torch.rand(size, N_PLANTED, generator=generator) < N_ACTIVE / N_PLANTED
    strength = 3 + 3 * torch.rand(size, N_PLANTED, generator=generator)
    noise = _NOISE * torch.randn(size, 2 * D, generator=generator)
    return (there * strength) @ planted_pairs(seed) + _OFFSET + noise


def pair_stream(seed: int, size: int) -> Callable[[int], Iterator[Float[Tensor, "token d_of_both"]]]:
    """Batches from any one on, without end."""

    def after(skip: int) -> Iterator[Tensor]:
        number = skip
        while True:
            yield pair_batch(seed, number, size)
            number += 1

    return after
