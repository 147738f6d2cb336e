"""Sparse inputs for toy models: features that are mostly zero, alone or in pairs that know of each other.

Every stream is a function of a batch size and a generator that gives `[instance, batch, feature]`, so that models of
many densities train side by side (Elhage et al. 2022, "Toy Models of Superposition").
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from hooke.errors import BadRequest

Draw = Callable[[int, Generator], Float[Tensor, "instance batch feature"]]

RELATIONS = ("independent", "correlated", "anticorrelated")
"""How the two features of a pair are related: not at all, both or neither, never both."""


def independent(density: Float[Tensor, " instance"], n_features: int) -> Draw:
    """Features that are each uniform on [0, 1] with probability `density`, and zero otherwise.

    Raises:
        BadRequest: a density is no probability above zero.
    """
    _check(density)
    share = density[:, None, None]

    def draw(batch: int, generator: Generator) -> Tensor:
        # Where a uniform number exceeds 1 - density, what it exceeds it by is uniform again: one draw serves for both.
        drawn = torch.rand(len(density), batch, n_features, generator=generator)
        return drawn.sub_(1 - share).div_(share).clamp_min_(0)

    return draw


def paired(density: Float[Tensor, " instance"], n_pairs: int, relation: str) -> Draw:
    """Features 2i and 2i + 1 as a pair: each present with probability `density`, its value uniform on [0, 1].

    Correlated features are present together or not at all, with values of their own; of anticorrelated ones at most one
    is present.

    Raises:
        BadRequest: there is no such relation, or a density that it does not allow.
    """
    _check(density)
    if relation not in RELATIONS:
        raise BadRequest(f"There is no relation '{relation}'.", "", f"Choose from {', '.join(RELATIONS)}.")
    if relation == "anticorrelated" and float(density.max()) > 0.5:
        raise BadRequest(
            f"Two features that are never present together cannot each have density {float(density.max()):.3g}.",
            "",
            "Give at most 0.5.",
        )
    if relation == "independent":
        return independent(density, 2 * n_pairs)
    share = density[:, None, None]

    def draw(batch: int, generator: Generator) -> Tensor:
        place = torch.rand(len(density), batch, n_pairs, generator=generator)
        first = place < share
        second = first if relation == "correlated" else (place >= share) & (place < 2 * share)
        present = torch.stack([first, second], -1).flatten(2)
        return present * torch.rand(present.shape, generator=generator)

    return draw


def _check(density: Float[Tensor, " instance"]) -> None:
    if not bool(((density > 0) & (density <= 1)).all()):
        raise BadRequest(
            "A density is the share of inputs on which a feature is present.",
            f"Found {density.tolist()}.",
            "Give numbers above 0 and up to 1.",
        )
