"""The features that fire on the same tokens as a feature, beside what chance gives.

    expected = n_i · n_j / n                                       of n counted tokens
    PMI      = log2( n_ij / expected )                             in bits; 0 is chance
    excess   = 2 (n_ij ln(n_ij / expected) - n_ij + expected)      deviance of a Poisson count, where n_ij is the larger
    told     : n_ij is at least 5, the PMI's 95 % interval, windows being independent, lies above 0, and the excess is
               more than what 95 of 100 features reach with their best partner on the shifted text

Of thousands of candidates some fire with a feature far more than expected by luck, so that an interval alone would tell
of a partner for nearly every feature of a shifted text, too. Partners are ranked by normalised PMI (Bouma 2009), since
PMI alone puts the rarest first.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from hooke.features.co_firing import CHOICE, CoFiring, Shard, firing

N_PARTNERS = 16
LEAST_TOGETHER = 5
"""Tokens on which two features must fire together for anything to be said of them."""


@dataclass(frozen=True)
class Partners:
    """For each feature those that fire with it beyond chance, the most associated first; count 0 fills up."""

    feature: Integer[ndarray, "feature partner"]
    count: Integer[ndarray, "feature partner"]
    expected: Float[ndarray, "feature partner"]
    pmi: Float[ndarray, "feature partner"]
    low: Float[ndarray, "feature partner"]
    high: Float[ndarray, "feature partner"]

    @property
    def told(self) -> Bool[ndarray, "feature partner"]:
        """Which fire together more than chance would have it."""
        return (self.count > 0) & (self.low > 0)


def fire_together(found: CoFiring, side: int, beside: int, *, least: float, shift: int = 0) -> Partners:
    """The partners of every feature of one dictionary among those of another, or among its own.

    Args:
        least: excess that a pair must have; see `chance_excess`.
        shift: by how many quarters of a shard the text is shifted.
    """
    parts = [_of_range(found, side, beside, first, last, least, shift) for first, last in found.ranges(side, beside)]
    names = ("feature", "count", "expected", "pmi", "low", "high")
    return Partners(*(np.concatenate([part[name] for part in parts]) for name in names))


def chance_excess(found: CoFiring, side: int, beside: int) -> float:
    """What the best partner's excess stays below on the shifted text, for 95 of 100 features that fire."""
    alive = found.totals[side].n_active >= LEAST_TOGETHER
    if not alive.any():
        return 0.0
    best = []
    for first, last in found.ranges(side, beside):
        together, expected = _counts(found, side, beside, first, last, CHOICE)
        best.append(_excess(together, expected).max(1)[alive[first:last]])
    return float(np.quantile(np.concatenate(best), 0.95))


def _counts(
    found: CoFiring, side: int, beside: int, first: int, last: int, shift: int
) -> tuple[Float[ndarray, "range other"], Float[ndarray, "range other"]]:
    """Tokens together, a feature and itself left out, and those that chance gives."""
    together = found.sums(side, beside, first, last, shift=shift)
    if side == beside:
        together[np.arange(last - first), np.arange(first, last)] = 0
    own, theirs = found.totals[side].n_active[first:last], found.totals[beside].n_active
    return together, own[:, None] * theirs[None] / max(found.n_counted, 1)


def _excess(together: Float[ndarray, "range other"], expected: Float[ndarray, "range other"]) -> ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        deviance = 2 * (together * np.log(together / expected) - together + expected)
    return np.where((together >= LEAST_TOGETHER) & (together > expected), deviance, 0)


def _of_range(
    found: CoFiring, side: int, beside: int, first: int, last: int, least: float, shift: int
) -> dict[str, ndarray]:
    n = max(found.n_counted, 1)
    together, expected = _counts(found, side, beside, first, last, shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log2(together / expected)
        # On every token together both logarithms are 0: as associated as can be.
        rank = np.nan_to_num(pmi / -np.log2(together / n), nan=1.0)
    rank[_excess(together, expected) <= least] = -np.inf
    chosen = np.argsort(-rank, axis=1, kind="stable")[:, :N_PARTNERS]
    rows = np.arange(last - first)[:, None]
    there = np.isfinite(rank[rows, chosen])
    bounds = _intervals(found, side, beside, first, chosen, pmi[rows, chosen], there, shift)

    def kept(values: Float[ndarray, "range other"]) -> ndarray:
        return np.where(there, values[rows, chosen], 0)

    return {
        "feature": np.where(there, chosen, 0).astype(np.uint32),
        "count": kept(together).astype(np.uint32),
        "expected": kept(expected).astype(np.float32),
        "pmi": kept(pmi).astype(np.float32),
        "low": bounds[0].astype(np.float32),
        "high": bounds[1].astype(np.float32),
    }


def _intervals(
    found: CoFiring,
    side: int,
    beside: int,
    first: int,
    chosen: Integer[ndarray, "range partner"],
    pmi: Float[ndarray, "range partner"],
    there: Bool[ndarray, "range partner"],
    shift: int,
) -> tuple[Float[ndarray, "range partner"], Float[ndarray, "range partner"]]:
    low, high = np.zeros(pmi.shape), np.zeros(pmi.shape)
    if not there.any():
        return low, high
    place, slot = np.nonzero(there)
    ones, others = place + first, chosen[there]

    def columns(shard: Shard) -> list:
        one, other = firing(shard.taken(side, ones)), firing(shard.taken(beside, others))
        one = shard.shifted(one, shift)
        return [(one * other).tocsc(), one, other]

    moments = found.moments(columns)
    gradient = np.stack([sign / np.maximum(moments.total[number], 1) for number, sign in enumerate((1, -1, -1))])
    low[place, slot], high[place, slot] = moments.interval(pmi[there], gradient / np.log(2)).T
    return low, high
