"""Thresholds for few false alarms, by order statistics, and refusals where the negatives are too few for one.

With n negatives and k of them above a threshold, the share of false alarms is surely (one-sided 95 %) at most the
binomial upper bound of k of n (Clopper and Pearson 1934). The threshold is the lowest with that within the rate.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import beta, binom

SURE = 0.95
"""Confidence of every bound here, one-sided."""


def upper_bound(n_above: int, n: int) -> float:
    """What a share is surely at most of which `n_above` of `n` were seen."""
    return 1.0 if n_above >= n else float(beta.ppf(SURE, n_above + 1, n - n_above))


@lru_cache
def most_above(n: int, rate: float) -> int | None:
    """How many of n negatives may lie above a threshold for this rate; None where even 0 of them says too little."""
    if n == 0 or binom.cdf(0, n, rate) > 1 - SURE:
        return None
    # The largest k with P(at most k of n | rate) <= 5 %: the same as an upper bound of at most the rate.
    return int(np.searchsorted(binom.cdf(np.arange(n), n, rate), 1 - SURE, side="right")) - 1


@lru_cache
def negatives_needed(rate: float, n_above: int = 0) -> int:
    """How many negatives it takes for the upper bound to be within the rate, with so many above the threshold."""
    low, high = n_above, n_above + 1
    while binom.cdf(n_above, high, rate) > 1 - SURE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binom.cdf(n_above, middle, rate) <= 1 - SURE else (middle, high)
    return high


def threshold_at(negatives: Float[ndarray, " n"], rate: float) -> float | None:
    """The lowest threshold with surely at most this rate of false alarms; what lies above it is an alarm.

    None where the negatives are too few for any.
    """
    allowed = most_above(len(negatives), rate)
    if allowed is None:
        return None
    return float(np.sort(negatives)[::-1][min(allowed, len(negatives) - 1)])


def precision_at(prevalence: float, recall: float, rate: float) -> float:
    """The share of alarms that are right where so many texts have the concept."""
    right = prevalence * recall
    total = right + (1 - prevalence) * rate
    return right / total if total else float("nan")
