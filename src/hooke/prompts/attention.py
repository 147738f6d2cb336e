"""Attention patterns in a byte each: the lower triangle, with a scale for each query.

    attention(query, key) ≈ code[query, key] · scale[query],  scale[query] = largest of the row / 255

so that no value is off by more than half a scale.
"""

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
