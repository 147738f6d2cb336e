"""Intervals over windows: tokens of one window are not independent, so whole windows are drawn."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.findings import Estimate, estimate

Sums = Callable[[ndarray], ndarray]
"""Sums over windows, given as a per-window array: [window, ...] to [resample, ...]."""


def over_windows(statistic: Callable[[Sums], ndarray], n_windows: int, *, generator: np.random.Generator) -> Estimate:
    """A statistic of sums over windows, with the interval that drawing windows with replacement gives it.

    `statistic(total)` must use per-window arrays through `total(array)` only, e.g. `total(losses) / total(counts)`.
    """

    def of_samples(samples: Float[ndarray, "resample window"]) -> Float[ndarray, " resample"]:
        drawn = np.stack([np.bincount(row, minlength=n_windows) for row in samples.astype(np.int64)])
        return statistic(lambda array: drawn.astype(np.float64) @ array)

    return estimate(np.arange(n_windows, dtype=np.float64), generator=generator, statistic=of_samples)
