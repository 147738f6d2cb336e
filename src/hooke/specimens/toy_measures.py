"""What is read off a toy model's weights: which features it represents, and how many dimensions each one gets."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

REPRESENTED = 0.5
"""Norm from which on a feature counts as represented. The sum of squared norms is no count: norms exceed 1 where
features are sparse, since a negative bias takes off what interference adds."""

SHARED = 0.5
"""Interference, of a represented feature with all others, from which on it counts as superposed."""

IGNORED, DEDICATED, SUPERPOSED = 0, 1, 2
"""What can become of a feature."""


def dimensionality(weights: Float[Tensor, "*batch feature hidden"]) -> Float[Tensor, "*batch feature"]:
    """D_i = ‖W_i‖² / Σ_j (Ŵ_i · W_j)²: the share of a dimension that a feature has for itself (Elhage et al. 2022).

    1 is a dimension of its own, 1/2 half of one (an antipodal pair), 2/5 a place in a pentagon; a feature with no norm
    has none.
    """
    norms = weights.norm(dim=-1)
    taken = (functional.normalize(weights, dim=-1) @ weights.mT).square().sum(-1)
    return torch.where(norms > 1e-3, norms.square() / taken.clamp_min(1e-12), 0.0)


def represented(weights: Float[Tensor, "*batch feature hidden"]) -> Bool[Tensor, "*batch feature"]:
    """Which features have a norm above `REPRESENTED`."""
    return weights.norm(dim=-1) > REPRESENTED


def interference(weights: Float[Tensor, "*batch feature hidden"]) -> Float[Tensor, "*batch feature"]:
    """√Σ_{j≠i} (Ŵ_i · W_j)²: how much of the other features is read along a feature's direction."""
    overlaps = functional.normalize(weights, dim=-1) @ weights.mT
    return (overlaps - torch.diag_embed(overlaps.diagonal(dim1=-2, dim2=-1))).norm(dim=-1)


def fates(weights: Float[Tensor, "*batch feature hidden"]) -> Int[Tensor, "*batch feature"]:
    """What became of each feature: ignored, a dimension of its own, or superposed with others."""
    shared = torch.where(interference(weights) > SHARED, SUPERPOSED, DEDICATED)
    return torch.where(represented(weights), shared, IGNORED)


def represented_dimensionality(weights: Float[Tensor, "instance feature hidden"]) -> Float[Tensor, " instance"]:
    """The mean D_i of the represented features of each model, NaN where none is."""
    mask = represented(weights)
    total = (dimensionality(weights) * mask).sum(-1)
    return total / mask.sum(-1)
