"""Where an activation stands among all of a feature's, read off its histogram.

Inside a bin of half an octave activations are taken to be spread evenly on the logarithmic scale, so a share is off by
less than what its bin holds.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.features.card import Histogram


def share_below(histogram: Histogram, values: Sequence[float] | Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """The share of a feature's activations that are smaller than each value; NaN where the feature never fired."""
    counts = np.asarray(histogram.counts, np.float64)
    if counts.sum() == 0:
        return np.full(len(values), np.nan)
    below = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()
    return np.interp(np.log2(np.maximum(np.asarray(values, np.float64), 1e-30)), np.log2(histogram.edges), below)


def quantiles(histogram: Histogram, shares: Sequence[float]) -> list[float]:
    """The activations that these shares of a feature's activations lie below; nothing where it never fired."""
    counts = np.asarray(histogram.counts, np.float64)
    if counts.sum() == 0:
        return []
    filled = np.flatnonzero(counts)
    edges = np.log2(histogram.edges)[[*filled, filled[-1] + 1]]
    below = np.concatenate([[0], np.cumsum(counts[filled])]) / counts.sum()
    return np.exp2(np.interp(shares, below, edges)).tolist()
