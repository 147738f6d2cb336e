"""Activations whose features are known: sparse non-negative sums of planted directions around an offset."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

D, N_PLANTED, MEAN_ACTIVE = 24, 64, 3


def directions() -> Tensor:
    """Random unit vectors, more of them than dimensions; no training's seed, whose first weights would be these."""
    rows = torch.randn(N_PLANTED, D, generator=torch.Generator().manual_seed(5_000))
    return rows / rows.norm(dim=1, keepdim=True)


def batch(number: int, size: int = 512) -> Tensor:
    """Batch of this number; the same each time."""
    generator = torch.Generator().manual_seed(1000 + number)
    active = torch.rand(size, N_PLANTED, generator=generator) < MEAN_ACTIVE / N_PLANTED
    strength = 3 + 3 * torch.rand(size, N_PLANTED, generator=generator)
    noise = 0.02 * torch.randn(size, D, generator=generator)
    return (active * strength) @ directions() + 0.5 + noise


def batches(size: int = 512, stop: int | None = None) -> Callable[[int], Iterator[Tensor]]:
    """The stream that `train` asks for."""

    def after(skip: int) -> Iterator[Tensor]:
        number = skip
        while stop is None or number < stop:
            yield batch(number, size)
            number += 1

    return after


def recovery(rows: Tensor) -> float:
    """Mean over the planted directions of the largest cosine with any of the unit rows."""
    return float((rows @ directions().t()).amax(0).mean())
