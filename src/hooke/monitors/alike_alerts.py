"""Other alerts of a monitor whose scores ran alike around the token at which it rose.

A profile is the pooled scores at the tokens around that one, aligned there. Two profiles are as far apart as the root
mean square of their differences, over the places that both have. That is of scores alone: texts are not compared.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hooke.monitors.alerts import Alert, Fired

SPAN = 16
"""Tokens on either side of the one at which it rose."""
LEAST = 8
"""Places that two profiles must share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Near:
    """An alert whose scores ran alike."""

    alert: Alert
    """It."""
    fired: Fired
    """What the monitor found in it."""
    distance: float
    """Root mean square of the scores' differences."""
    n: int
    """Places that both have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """An alert beside the monitor's others."""

    nearest: tuple[Near, ...]
    """Nearest first."""
    n: int
    """Alerts that were compared."""
    median: float | None
    """Median distance of all of these: what is near is well below it."""
    n_other: int
    """Alerts left out, since the monitor was another then: its scores are on another scale."""
    n_short: int
    """Alerts left out, since too few scores were heard around that token."""


def alike(alert: Alert, monitor: str, others: Iterable[Alert], n: int) -> Alike:
    """The alerts of a monitor that are most like one of them."""
    (own,) = (one for one in alert.fired if one.monitor == monitor)
    profile = _profile(own)
    found, n_other, n_short = [], 0, 0
    for other in others:
        fired = next((one for one in other.fired if one.monitor == monitor), None)
        if fired is None or other.id == alert.id:
            continue
        if fired.version != own.version:
            n_other += 1
            continue
        theirs = _profile(fired)
        both = profile.keys() & theirs.keys()
        if len(both) < LEAST:
            n_short += 1
            continue
        distance = math.sqrt(statistics.fmean((profile[at] - theirs[at]) ** 2 for at in both))
        found.append(Near(alert=other, fired=fired, distance=distance, n=len(both)))
    return Alike(
        nearest=tuple(sorted(found, key=lambda one: one.distance)[:n]),
        n=len(found),
        median=statistics.median(one.distance for one in found) if found else None,
        n_other=n_other,
        n_short=n_short,
    )


def _profile(fired: Fired) -> Mapping[int, float]:
    rose = fired.act_at if fired.watch_at is None else fired.watch_at
    if rose is None:
        return {}
    pairs = zip(fired.positions, fired.scores, strict=True)
    return {at - rose: score for at, score in pairs if score is not None and abs(at - rose) <= SPAN}
