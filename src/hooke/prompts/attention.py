"""Attention patterns in a byte each: the lower triangle, with a scale for each query.

    attention(query, key) ≈ code[query, key] · scale[query],  scale[query] = largest of the row / 255

so that no value is off by more than half a scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray


def pack(
    pattern: Float[ndarray, "head query key"],
) -> tuple[UInt8[ndarray, "head pair"], Float[ndarray, "head query"]]:
    """Codes of the lower triangles, row by row, and the scales."""
    lower = np.tril_indices(pattern.shape[-1])
    scale = np.maximum(pattern.max(axis=-1), 1e-12).astype(np.float32) / np.float32(255)
    codes = np.rint(pattern / scale[:, :, None]).clip(0, 255).astype(np.uint8)
    return codes[:, lower[0], lower[1]], scale


def unpack(
    codes: UInt8[ndarray, "*head pair"], scale: Float[ndarray, "*head query"]
) -> Float[ndarray, "*head query key"]:
    """The patterns, zero above the diagonal."""
    n = scale.shape[-1]
    lower = np.tril_indices(n)
    pattern = np.zeros((*scale.shape, n), np.float32)
    pattern[..., lower[0], lower[1]] = codes
    return pattern * scale[..., None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaze:
    """A head, and the other token that it joins to one."""

    layer: int
    """The layer."""
    head: int
    """The head."""
    position: int
    """The other token."""
    weight: float
    """Attention, between 0 and 1."""


def looks_at(arrays: Mapping[str, ndarray], layer: int, position: int) -> list[Gaze]:
    """For each head of a layer the token that one attends to most, strongest first; empty without patterns."""
    if f"pattern.{layer}" not in arrays:
        return []
    begin = position * (position + 1) // 2
    row = arrays[f"pattern.{layer}"][:, begin : begin + position + 1]
    scale = arrays[f"scale.{layer}"][:, position]
    return _strongest(layer, row * scale[:, None], 0)


def read_by(arrays: Mapping[str, ndarray], layer: int, position: int) -> list[Gaze]:
    """For each head of a layer the later token that attends to one most, strongest first; empty without patterns."""
    if f"pattern.{layer}" not in arrays:
        return []
    scale = arrays[f"scale.{layer}"][:, position:]
    queries = np.arange(position, position + scale.shape[1])
    column = arrays[f"pattern.{layer}"][:, queries * (queries + 1) // 2 + position]
    return _strongest(layer, column * scale, position)


def _strongest(layer: int, weights: Float[ndarray, "head pos"], first: int) -> list[Gaze]:
    places = weights.argmax(axis=1)
    gazes = [
        Gaze(layer=layer, head=head, position=int(place) + first, weight=float(weights[head, place]))
        for head, place in enumerate(places)
    ]
    return sorted(gazes, key=lambda gaze: -gaze.weight)
