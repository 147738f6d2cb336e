"""What MLP outputs are made of on one prompt: active features, what they write, what is left over, and constants.

    mlp_out[layer, pos] = Σ features written there + skip · stream + remainder + constant

The remainder closes the sum exactly: the error of a dictionary, or the neurons that were not taken up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.frozen import FrozenModel
from hooke.circuits.sweep import Rows, sweep

RemainderKind = Literal["error", "rest"]


@dataclass(frozen=True, slots=True)
class Features:
    """Active features of a prompt, by position and then by layer."""

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    """Number in the layer's dictionary."""
    activation: Float[Tensor, " feature"]

    def __len__(self) -> int:
        return len(self.layer)


@dataclass(frozen=True, slots=True)
class Written:
    """What a run of features writes to one layer's MLP output at one position."""

    position: int
    first: int
    """Number of the first of these features; the others follow it."""
    vectors: Float[Tensor, "n d_model"]
    """Decoder rows times activations."""


@dataclass(frozen=True)
class Basis:
    """The parts of one prompt's MLP outputs."""

    name: str
    """What the features are of: a dictionary set's name, or neurons."""
    features: Features
    written: tuple[tuple[Written, ...], ...]
    """By layer that is written to."""
    inputs: Callable[[Tensor], Rows]
    """Feature numbers -> the linear functions of the stream that the features are."""
    remainder: Float[Tensor, "layer pos d_model"]
    remainder_kind: RemainderKind
    constant: Float[Tensor, "layer pos d_model"]
    """Decoder biases."""
    skips: Mapping[int, Callable[[Tensor], Tensor]]
    """Layers with a linear path: gradients at mlp_out -> gradients at the stream that is read."""
    n_active: int
    """Features active on this prompt, taken up or not."""


def by_place(features: Features, layer: int, n_positions: int, reaches: Tensor) -> list[tuple[int, slice]]:
    """(position, run of feature numbers) of the features that reach a layer; `reaches` marks them.

    Raises:
        ValueError: the features that reach it do not lie together at some position.
    """
    runs = []
    for position in range(n_positions):
        numbers = (reaches & (features.position == position)).nonzero()[:, 0]
        if len(numbers):
            first, stop = int(numbers[0]), int(numbers[-1]) + 1
            if stop - first != len(numbers):
                raise ValueError(f"features of layer {layer} do not lie together at position {position}")
            runs.append((position, slice(first, stop)))
    return runs


def pass_skip(basis: Basis, layer: int, gradient: Tensor) -> Tensor | None:
    """What the linear path of a layer's transcoder passes on."""
    skip = basis.skips.get(layer)
    return None if skip is None else skip(gradient)


def total_effects(frozen: FrozenModel, basis: Basis, rows: Rows) -> Float[Tensor, "feature row"]:
    """What each feature gives each target over all paths: activation times the target's derivative with respect to it.

    Through active features derivatives are 1; rows must come deepest first.
    """
    features = basis.features
    effects = rows.vector.new_zeros(len(features), len(rows))
    own = basis.inputs(torch.arange(len(features), device=features.layer.device))

    def through(layer: int, gradient: Tensor) -> Tensor | None:
        n_rows = gradient.shape[1]
        for part in basis.written[layer]:
            if part.position < len(gradient):
                effects[part.first : part.first + len(part.vectors), :n_rows] += (
                    part.vectors @ gradient[part.position].T
                )
        passed = pass_skip(basis, layer, gradient)
        passed = torch.zeros_like(gradient) if passed is None else passed
        for position in range(len(gradient)):
            here = ((features.layer == layer) & (features.position == position)).nonzero()[:, 0]
            derivative = effects[here, :n_rows] / features.activation[here, None]
            passed[position] += derivative.T @ own.vector[here]
        return passed

    sweep(frozen, rows, through)
    return effects
