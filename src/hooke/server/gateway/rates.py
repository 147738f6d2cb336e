"""How often a key may ask: so many a minute, refilled evenly, and so many at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hooke.server.gateway.keys import Key


@dataclass(slots=True)
class _Use:
    left: float
    at: float
    n_open: int = 0


class Rates:
    """What each key has used. For one thread only."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._used: dict[str, _Use] = {}

    def take(self, key: Key) -> float:
        """Begin a request: 0 where it may go on, else the seconds after which to try again."""
        now, per_second = self._now(), key.per_minute / 60
        use = self._used.setdefault(key.hash, _Use(float(key.per_minute), now))
        use.left = min(float(key.per_minute), use.left + (now - use.at) * per_second)
        use.at = now
        if use.n_open >= key.at_once:
            return 1.0
        if use.left < 1:
            return (1 - use.left) / per_second
        use.left -= 1
        use.n_open += 1
        return 0.0

    def give_back(self, key: Key) -> None:
        """End a request that was begun."""
        self._used[key.hash].n_open -= 1
