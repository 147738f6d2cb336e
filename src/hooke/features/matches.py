"""The feature of another dictionary that is the same one: by when it fires, and by what it writes.

    correlation   Pearson's r of the two activations over all counted tokens; the control is the shifted text
    cosine        of what the two write in the stream; the control is rows with their coordinates permuted, all alike
    match         each is the other's nearest by correlation, and that is more than what 95 of 100 features reach with
                  their nearest on the shifted text

The nearest of thousands is near by chance alone, and somebody is always nearest to each other. Across layers the
cosine falls though the feature stays, since what stands between turns it; the correlation does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.dictionaries.dictionary import Dictionary
from hooke.features.co_firing import CHOICE, CoFiring, Moments, Shard, firing
from hooke.features.fire_together import LEAST_TOGETHER


@dataclass(frozen=True)
class Matches:
    """For each feature its nearest in another dictionary; correlation 0 where it never fires with any."""

    feature: Integer[ndarray, " feature"]
    correlation: Float[ndarray, " feature"]
    low: Float[ndarray, " feature"]
    high: Float[ndarray, " feature"]
    count: Integer[ndarray, " feature"]
    """Tokens on which both fire."""
    is_match: Bool[ndarray, " feature"]
    """Whether each is the other's nearest, beyond chance."""
    cosine: Float[ndarray, " feature"]
    """Of the two decoder rows; NaN where the dictionaries write numbers of another width."""
    by_cosine: Integer[ndarray, " feature"]
    """The feature with the nearest decoder row."""
    nearest_cosine: Float[ndarray, " feature"]
    """Its cosine."""


def matches(found: CoFiring, one: Dictionary, other: Dictionary) -> tuple[Matches, Matches]:
    """The matches of one dictionary's features in the other, and of the other's in the first."""
    best = [nearest_by_correlation(found, side) for side in (0, 1)]
    mutual = mutual_nearest(best, [chance_correlation(found, side) for side in (0, 1)])
    rows = [_unit_rows(dictionary) for dictionary in (one, other)]
    sides = []
    for side in (0, 1):
        feature = best[side].feature
        correlation, low, high, count = _measured(found, side, feature, best[side].correlation > 0)
        near, cosine = nearest_by_cosine(rows[side], rows[1 - side])
        own = np.full(len(feature), np.nan)
        if rows[0].shape[1] == rows[1].shape[1]:
            own = (rows[side] * rows[1 - side][torch.from_numpy(feature)]).sum(-1).double().numpy()
        sides.append(Matches(feature, correlation, low, high, count, mutual[side], own, near, cosine))
    return sides[0], sides[1]


@dataclass(frozen=True)
class Nearest:
    """For each feature the other dictionary's most correlated one, and how much; 0 where there is none."""

    feature: Integer[ndarray, " feature"]
    correlation: Float[ndarray, " feature"]


def nearest_by_correlation(found: CoFiring, side: int, *, shift: int = 0) -> Nearest:
    """The nearest of every feature of one dictionary."""
    parts = [correlations(found, side, first, last, shift=shift) for first, last in found.ranges(side, 1 - side)]
    return Nearest(
        np.concatenate([part.argmax(1) for part in parts]), np.concatenate([part.max(1).clip(0) for part in parts])
    )


def mutual_nearest(best: Sequence[Nearest], least: Sequence[float]) -> list[Bool[ndarray, " feature"]]:
    """For both dictionaries which features have a nearest whose nearest they are, by more than so much."""
    found = []
    for side in (0, 1):
        own, other = best[side], best[1 - side]
        back = other.feature[own.feature] == np.arange(len(own.feature))
        found.append(back & (own.correlation > max(least)))
    return found


def chance_correlation(found: CoFiring, side: int) -> float:
    """What the nearest feature's correlation stays below on the shifted text, for 95 of 100 features that fire."""
    largest = nearest_by_correlation(found, side, shift=CHOICE).correlation
    alive = found.totals[side].n_active >= LEAST_TOGETHER
    return float(np.quantile(largest[alive], 0.95)) if alive.any() else 0.0


def correlations(found: CoFiring, side: int, first: int, last: int, *, shift: int = 0) -> Float[ndarray, "range other"]:
    """Pearson's r of activations; 0 of pairs that fire together on fewer than 5 tokens."""
    n = max(found.n_counted, 1)
    own, theirs = found.totals[side], found.totals[1 - side]
    both = found.sums(side, 1 - side, first, last, weighed=(True, True), shift=shift)
    count = found.sums(side, 1 - side, first, last, shift=shift)
    mean, other_mean = own.sum[first:last] / n, theirs.sum / n
    spread = np.sqrt(np.maximum(own.squares[first:last] / n - mean**2, 0))
    other_spread = np.sqrt(np.maximum(theirs.squares / n - other_mean**2, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (both / n - mean[:, None] * other_mean) / (spread[:, None] * other_spread)
    return np.where((count >= LEAST_TOGETHER) & np.isfinite(r), r, 0)


def _measured(
    found: CoFiring, side: int, feature: Integer[ndarray, " feature"], there: Bool[ndarray, " feature"]
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    correlation, low, high, count = (np.zeros(len(feature)) for _ in range(4))
    kept = np.flatnonzero(there)
    for some in np.array_split(kept, max(1, len(kept) // 1024)):
        if not len(some):
            continue

        def columns(shard: Shard, some: ndarray = some) -> list:
            one = shard.taken(side, some).astype(np.float64)
            other = shard.taken(1 - side, feature[some]).astype(np.float64)
            both = (one * other).tocsc()
            return [both, one, other, (one * one).tocsc(), (other * other).tocsc(), firing(both)]

        moments = found.moments(columns)
        r, gradient = _pearson(moments, found.n_counted)
        correlation[some], count[some] = r, moments.total[5]
        low[some], high[some] = moments.interval(r, gradient).clip(-1, 1).T
    return correlation, low, high, count.astype(np.int64)


def _pearson(moments: Moments, n: int) -> tuple[Float[ndarray, " pair"], Float[ndarray, "quantity pair"]]:
    """r from Σab, Σa, Σb, Σa², Σb², and its derivative by these sums."""
    both, one, other, square, other_square = moments.total[:5]
    shared = both / n - one * other / n**2
    spread, other_spread = square / n - (one / n) ** 2, other_square / n - (other / n) ** 2
    scale = np.sqrt(np.maximum(spread * other_spread, 1e-30))
    r = shared / scale
    gradient = np.zeros_like(moments.total)
    gradient[0] = 1 / scale
    gradient[1] = -other / n / scale + r * one / n / np.maximum(spread, 1e-30)
    gradient[2] = -one / n / scale + r * other / n / np.maximum(other_spread, 1e-30)
    gradient[3] = -r / (2 * np.maximum(spread, 1e-30))
    gradient[4] = -r / (2 * np.maximum(other_spread, 1e-30))
    return r, gradient / n


def nearest_by_cosine(
    own: Float[Tensor, "feature d"], theirs: Float[Tensor, "other d2"]
) -> tuple[Integer[ndarray, " feature"], Float[ndarray, " feature"]]:
    """The nearest unit row of another dictionary, and its cosine; NaN where the widths differ."""
    if own.shape[1] != theirs.shape[1]:
        return np.zeros(len(own), np.int64), np.full(len(own), np.nan)
    step = max(1, 2**22 // len(theirs))
    parts = [(own[first : first + step] @ theirs.T).max(-1) for first in range(0, len(own), step)]
    return (
        torch.cat([part.indices for part in parts]).numpy(),
        torch.cat([part.values for part in parts]).double().numpy(),
    )


def permuted_cosines(one: Dictionary, other: Dictionary, *, seed: int = 0) -> Float[ndarray, " feature"]:
    """The largest cosine of each feature's row, its coordinates in another order, with any of the other's rows."""
    own, theirs = _unit_rows(one), _unit_rows(other)
    order = torch.from_numpy(np.random.default_rng([seed, 2]).permutation(own.shape[1]))
    return nearest_by_cosine(own[:, order], theirs)[1]


def _unit_rows(dictionary: Dictionary) -> Float[Tensor, "feature d"]:
    return functional.normalize(dictionary.output_rows.detach().float().cpu(), dim=-1)
