"""A claim about a model, with its value, its interval, its control and where it came from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

Interval = tuple[float, float]

# All resamples of a million units together would be gigabytes.
_ELEMENTS_AT_ONCE = 2**24


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One claim with everything a sceptic needs to doubt it."""

    claim: str
    """What is said, in one sentence."""
    value: float
    """The measured number."""
    interval: Interval
    """95 % interval of the value."""
    n: int
    """How many independent units were measured."""
    control: float | None = None
    """The same number for the control."""
    control_interval: Interval | None = None
    """95 % interval of the control."""
    control_name: str = ""
    """What the control is, e.g. 'random direction of the same norm'."""
    unit: str = ""
    """Unit of the value, empty for a ratio or count."""
    method: str = ""
    """How it was measured."""
    seed: int | None = None
    """Seed of everything random in it."""
    artefacts: dict[str, Any] = field(default_factory=dict)
    """Hashes of what was measured."""

    def __str__(self) -> str:
        text = f"{self.claim}: {_number(self.value)}{self.unit} {_interval(self.interval)}, n = {self.n}"
        if self.control is not None:
            text += f"; {self.control_name or 'control'}: {_number(self.control)}{self.unit}"
            text += f" {_interval(self.control_interval)}" if self.control_interval else ""
        return text


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(interval: Interval) -> str:
    return f"[{_number(interval[0])}, {_number(interval[1])}]"


def bootstrap_interval(
    values: Sequence[float] | Float[ndarray, " n"],
    *,
    generator: np.random.Generator,
    statistic: Callable[[ndarray], ndarray] = lambda samples: samples.mean(axis=-1),
    n_resamples: int = 1000,
) -> Interval:
    """The 95 % percentile bootstrap interval of a statistic over independent units (Efron 1979).

    `statistic` maps [resamples, n] to [resamples].
    """
    array = np.asarray(values, dtype=np.float64)
    if len(array) == 0:
        return (float("nan"), float("nan"))
    n_at_once = max(1, _ELEMENTS_AT_ONCE // len(array))
    statistics = [
        statistic(array[generator.integers(0, len(array), size=(min(n_at_once, n_resamples - done), len(array)))])
        for done in range(0, n_resamples, n_at_once)
    ]
    low, high = np.percentile(np.concatenate(statistics), [2.5, 97.5])
    return (float(low), float(high))


def share_interval(share: float, n: int) -> Interval:
    """The 95 % interval of a share of n independent units (Wilson 1927); sound at 0 and 1 and for few units."""
    if n == 0:
        return (0.0, 1.0)
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives the ends themselves, but for rounding that would be shown.
    low, high = max(0.0, float(middle - half)), min(1.0, float(middle + half))
    return (0.0 if share == 0 else low, 1.0 if share == 1 else high)


def balanced_interval(recall: float, n_positive: int, specificity: float, n_negative: int) -> Interval:
    """The 95 % interval of (recall + specificity) / 2, from those of both shares (MOVER, Zou and Donner 2008)."""
    value, shares = (recall + specificity) / 2, (recall, specificity)
    bounds = [share_interval(share, n) for share, n in zip(shares, (n_positive, n_negative), strict=True)]
    below = math.hypot(*(share - low for share, (low, _) in zip(shares, bounds, strict=True))) / 2
    above = math.hypot(*(high - share for share, (_, high) in zip(shares, bounds, strict=True))) / 2
    return (float(value - below), float(value + above))


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A measured number with its 95 % interval."""

    value: float
    """The number."""
    interval: Interval
    """Where it would lie in 95 of 100 repetitions, by the bootstrap."""


def estimate(
    values: Sequence[float] | Float[ndarray, "..."],
    *,
    generator: np.random.Generator,
    statistic: Callable[[ndarray], ndarray] = lambda samples: samples.mean(axis=-1),
) -> Estimate:
    """A statistic over independent units with its bootstrap interval; see `bootstrap_interval`."""
    array = np.asarray(values, dtype=np.float64)
    interval = bootstrap_interval(array, generator=generator, statistic=statistic)
    return Estimate(value=float(statistic(array[None])[0]), interval=interval)


def group_means(values: Shaped[ndarray, " n"], groups: Sequence[str]) -> Float[ndarray, " group"]:
    """The mean of each group, in the order in which they come first: units that may be resampled whole."""
    own = np.asarray(groups)
    return np.array([np.asarray(values, dtype=np.float64)[own == one].mean() for one in dict.fromkeys(groups)])


def estimate_ratio(
    parts: Sequence[float] | Float[ndarray, " n"],
    wholes: Sequence[float] | Float[ndarray, " n"],
    *,
    generator: np.random.Generator,
) -> Estimate:
    """Σ parts / Σ wholes over independent units, which a small whole cannot blow up as it does a mean of ratios.

    Units are resampled whole: a part and its whole belong together.
    """
    parts, wholes = (np.asarray(one, dtype=np.float64) for one in (parts, wholes))

    def ratio(units: ndarray) -> ndarray:
        rows = units.astype(np.int64)
        return parts[rows].sum(-1) / wholes[rows].sum(-1)

    return estimate(np.arange(len(parts), dtype=np.float64), generator=generator, statistic=ratio)


def area_under_curve(positive: Float[ndarray, " n"], negative: Float[ndarray, " m"]) -> tuple[float, Interval]:
    """The chance that a value of the first kind is above one of the second, ties half; its interval (Hanley 1982)."""
    n, m = len(positive), len(negative)
    ordered = np.sort(negative)
    below, upto = np.searchsorted(ordered, positive, "left"), np.searchsorted(ordered, positive, "right")
    area = float((below + upto).sum() / (2 * n * m))
    alike, other = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (n - 1) * (alike - area**2) + (m - 1) * (other - area**2)
    # At 0 and 1 that formula says that there is no doubt at all; the interval of a share does not.
    sure = share_interval(area, min(n, m))
    half = 1.959964 * math.sqrt(max(spread, 0) / (n * m))
    if half == 0:
        return area, sure
    return area, (max(0.0, area - half), min(1.0, area + half))
