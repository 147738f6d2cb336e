"""Activations whose features are known: sparse sums of planted directions, more of them than there are dimensions.

What a dictionary is trained for is to find such directions again; here they are there to be found (as in Sharkey et al.
2022, "Taking features out of superposition with sparse autoencoders").
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.seeds import generator_for

D, N_PLANTED, N_ACTIVE = 24, 64, 3
"""Dimensions, planted directions, and how many of them are in an activation, in the mean."""

_OFFSET, _NOISE = 0.5, 0.02


def planted_directions(seed: int) -> Float[Tensor, "planted d"]:
    """Random unit vectors, from a source of their own: first weights drawn with the same seed must not be these."""
    return functional.normalize(torch.randn(N_PLANTED, D, generator=generator_for(seed, "planted directions")), dim=-1)


def planted_batch(seed: int, number: int, size: int) -> Float[Tensor, "token d"]:
    """Batch of this number; the same each time. Directions are there by chance, each 3 to 6 times its unit."""
    generator = generator_for(seed, f"planted batch {number}")
    there = torch.rand(size, N_PLANTED, generator=generator) < N_ACTIVE / N_PLANTED
    strength = 3 + 3 * torch.rand(size, N_PLANTED, generator=generator)
    noise = _NOISE * torch.randn(size, D, generator=generator)
    return (there * strength) @ planted_directions(seed) + _OFFSET + noise


def planted_stream(seed: int, size: int) -> Callable[[int], Iterator[Float[Tensor, "token d"]]]:
    """Batches from any one on, without end, as `train` asks for them."""

    def after(skip: int) -> Iterator[Tensor]:
        number = skip
        while True:
            yield planted_batch(seed, number, size)
            number += 1

    return after
