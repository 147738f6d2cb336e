"""Whether traffic still scores as it did when the thresholds were set.

The alarm is a bet against "nothing has changed" (conformal test martingale with a fixed reference, 2602.13848): where
nothing has, the capital exceeds 1/alpha with a chance of at most alpha, however long one looks. A finite reference is
not the distribution that it was drawn from; half of alpha is spent on the distance between the two (Dvoretzky, Kiefer
and Wolfowitz, with Massart's constant), by which each p-value is made larger before it is bet on. PSI and shares are
for looking at: they have no error rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hooke.errors import BadRequest

_EXPONENTS = tuple(np.linspace(0.05, 0.95, 19))
_LEAST = 100


@dataclass
class DriftAlarm:
    """A bet against an unchanged stream of peaks, in both directions."""

    reference: Sequence[float]
    """Peaks of ordinary texts when the thresholds were set."""
    alpha: float = 0.01
    """Chance of an alarm, ever, where nothing has changed."""
    n: int = 0
    """Peaks seen since the last restart."""
    first_alarm: int | None = None
    """Which of them set it off."""
    _ordered: np.ndarray = field(init=False)
    _widened: float = field(init=False)
    _logs: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        if len(self.reference) < _LEAST or not 0 < self.alpha < 1:
            raise BadRequest(
                "There can be no alarm for drift.",
                f"{len(self.reference)} peaks of reference, alpha {self.alpha}.",
                f"Calibrate on at least {_LEAST} texts; alpha is between 0 and 1.",
            )
        self._ordered = np.sort(np.array(self.reference, dtype=np.float64))
        # Both tails at once, so two-sided.
        self._widened = math.sqrt(math.log(4 / self.alpha) / (2 * len(self.reference)))
        self.restart()

    @property
    def capital(self) -> float:
        """What the bet has made of 1."""
        top = float(self._logs.max())
        return float("inf") if top > 700 else math.exp(top) * float(np.exp(self._logs - top).mean())

    @property
    def is_alarmed(self) -> bool:
        """Whether the capital has ever been so high that an unchanged stream is ruled out."""
        return self.first_alarm is not None

    def restart(self) -> None:
        """Begin anew, once an alarm was looked into."""
        self._logs, self.n, self.first_alarm = np.zeros((2, len(_EXPONENTS))), 0, None

    def see(self, peak: float) -> float:
        """The capital after one more peak."""
        size = len(self._ordered)
        above = (size - np.searchsorted(self._ordered, peak, side="left")) / size
        below = np.searchsorted(self._ordered, peak, side="right") / size
        p = np.minimum(np.array([above, below]) + self._widened, 1.0)
        exponents = np.array(_EXPONENTS)
        self._logs += np.log(exponents) + (exponents - 1) * np.log(p)[:, None]
        self.n += 1
        if self.first_alarm is None and self.capital >= 2 / self.alpha:
            self.first_alarm = self.n
        return self.capital


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """How traffic differs from the reference, to look at."""

    n: int
    """Peaks of now."""
    psi: float
    """Population stability index over the reference's tenths; by custom 0.1 is worth a look and 0.25 more."""
    shares: dict[str, tuple[float, float]]
    """Share above each threshold: in the reference, now."""


def shift(reference: Sequence[float], now: Sequence[float], thresholds: dict[str, float]) -> Shift:
    """How peaks of now differ from those of the reference.

    Raises:
        BadRequest: there are none.
    """
    if not len(reference) or not len(now):
        raise BadRequest("Two streams are compared.", f"{len(reference)} and {len(now)} peaks.", "Give both.")
    old, new = np.array(reference), np.array(now)
    finite = old[np.isfinite(old)]
    edges = np.unique(np.quantile(finite, np.linspace(0.1, 0.9, 9))) if len(finite) else np.array([0.0])
    bins = [np.bincount(np.searchsorted(edges, one, side="right"), minlength=len(edges) + 1) for one in (old, new)]
    # A half in each bin, so that an empty one is no division by zero.
    p, q = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in bins)
    return Shift(
        n=len(new),
        psi=float(((q - p) * np.log(q / p)).sum()),
        shares={level: (float((old > at).mean()), float((new > at).mean())) for level, at in thresholds.items()},
    )
