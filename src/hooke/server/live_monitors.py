"""What a gateway's monitors say of its traffic, as it is heard: the latest verdicts, minutes rolled up, and alerts.

No text is in it. A monitor of which nothing is heard is not a quiet one: `Board.is_heard` and `Row.watches` tell
them apart.
"""

import math
import statistics
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from hooke.monitors.alerts import Alert, Fired, Standing
from hooke.monitors.evaluation import Share, share_of

RING = 5000
"""Verdicts that are kept."""
MINUTES = 15
"""Minutes that are rolled up."""
STALE = 30.0
"""Seconds of silence, the gateway's own sign of life included, after which what is known is said to be old."""
_UNDER_WAY = 2000
"""Requests that are followed at the same time; the oldest go first."""
_SCORES = 4096
"""Tokens of a request whose scores are kept for its alert."""

Watches = Literal["all", "asked", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What one monitor said of one request that has ended; of one that no monitor saw there is one without a name."""

    n: int
    """Its number, counted since the start."""
    time: float
    """When it was heard, in seconds since 1970."""
    request: str
    """The request."""
    monitor: str
    """The monitor; empty where none saw it."""
    level: str
    """quiet, watch or act; 'unscored' where no monitor saw it, or this one judged no token of it."""
    peak: float | None
    """The largest score at any token."""
    at: int | None
    """Position of the token at which its level was first reached."""
    probability: float | None
    """Of the peak, by the calibration's map."""
    action: str
    """What was done; empty below act."""
    n_tokens: int
    """Tokens of prompt and answer."""
    reason: str
    """Why the answer ended."""


@dataclass(slots=True)
class Minute:
    """What was heard in one minute."""

    minute: int
    """Minutes since 1970."""
    n: int = 0
    """Requests that the monitor scored."""
    n_watch: int = 0
    """Of these, at watch or above."""
    n_act: int = 0
    """Of these, at act."""
    total: float = 0.0
    """Sum of their peaks."""


@dataclass(slots=True)
class _Request:
    """A request under way."""

    time: float
    n_prompt: int | None = None
    positions: list[int] = field(default_factory=list)
    scores: dict[str, list[float | None]] = field(default_factory=dict)
    rose: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class _Known:
    """What is known of a monitor."""

    watches: Watches = "none"
    version: str = ""
    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=MINUTES))
    n_failed: int = 0
    last: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One monitor at work."""

    name: str
    """Its name."""
    watches: Watches
    """Whose requests: all, those that ask for it, or none, since the gateway does not run it."""
    version: str
    """Of the monitor that spoke last; empty where none did."""
    rate: float
    """Requests a minute that it scored, over the last minutes."""
    minutes: tuple[float | None, ...]
    """Mean peak in each of the last minutes, the one under way last; None where nothing was scored."""
    counts: tuple[int, ...]
    """Requests scored in each."""
    above: Share | None
    """Share of these that were at watch or above; None where nothing was scored."""
    n_act: int
    """Of these, at act."""
    coverage: Share | None
    """Share of all requests in these minutes that it scored; None where there were none."""
    n_failed: int
    """Tokens at which its scorer failed, since the start."""
    last: float | None
    """When it scored last, in seconds since 1970."""
    standing: Standing
    """Its alerts, and what became of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """All that is heard now."""

    gateway: str
    """Address of the gateway that is followed; empty where none is."""
    is_heard: bool
    """Whether it was heard in the last 30 seconds."""
    since: float | None
    """When it was heard last, in seconds since 1970; None where it never was."""
    problem: str
    """What is wrong; empty where nothing is."""
    lag: float | None
    """Seconds from what happened to its being heard, the median of the latest; clocks of two machines may differ."""
    n_requests: int
    """Requests that ended, since the start."""
    n_lost: int
    """Events that the gateway dropped, since this reader was too slow, or that were not understood."""
    n_kept: int
    """Verdicts that are kept, 5,000 at most."""
    rows: tuple[Row, ...]
    """By monitor."""


class LiveMonitors:
    """What is heard of one gateway. Heard by one thread, asked by any."""

    def __init__(
        self,
        gateway: str,
        keep: Callable[[Alert], None],
        standing: Callable[[str], Standing],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.gateway = gateway
        self._keep, self._standing, self._clock = keep, standing, clock
        self._lock = threading.Lock()
        self._ring: deque[Heard] = deque(maxlen=RING)
        self._known: dict[str, _Known] = {}
        self._requests: OrderedDict[str, _Request] = OrderedDict()
        self._minutes: deque[list[int]] = deque(maxlen=MINUTES)
        self._lags: deque[float] = deque(maxlen=100)
        self._n = self._n_requests = self._n_lost = 0
        self._since: float | None = None
        self._began = int(clock() // 60)
        self._broken, self._trouble, self._silent = "", "", False

    @property
    def n(self) -> int:
        """Verdicts heard since the start."""
        return self._n

    def alive(self) -> None:
        """The gateway gave a sign of life."""
        self._since = self._clock()

    def canary(self, is_well: bool) -> None:
        """Whether every monitor saw what the gateway shows them each minute."""
        self._silent = not is_well

    def connected(self, monitors: Mapping[str, bool]) -> None:
        """The gateway runs these monitors, each on all requests or on those that ask for it."""
        with self._lock:
            for one in self._known.values():
                one.watches = "none"
            for name, is_always in monitors.items():
                self._known.setdefault(name, _Known()).watches = "all" if is_always else "asked"
            self._broken = ""
        self.alive()

    def broke(self, why: str) -> None:
        """The gateway cannot be heard. Of requests under way the end will not be known."""
        with self._lock:
            self._broken = why
            pending = [(name, one) for name, one in self._requests.items() if one.rose]
            self._requests.clear()
        for name, one in pending:
            self._store(_alert(name, one, "lost", None, list(one.rose.values())))

    def hear(self, kind: str, event: Mapping[str, Any]) -> None:
        """One event of the gateway's side stream."""
        self.alive()
        if kind == "lost":
            self.lost(int(event.get("n", 0)))
        elif "request" in event:
            if isinstance(at := event.get("time"), int | float):
                self._lags.append(max(0.0, self._clock() - at))
            self._hear(kind, str(event["request"]), event)

    def lost(self, n: int) -> None:
        """So many events were not heard, or not understood."""
        self._n_lost += n

    def after(self, n: int, most: int) -> tuple[list[Heard], int]:
        """The verdicts after the n-th, oldest first and at most so many, and how many were left out for that."""
        with self._lock:
            fresh = max(0, self._n - n)
            found = list(islice(reversed(self._ring), min(fresh, most)))[::-1]
        return found, fresh - len(found)

    def peaks(self, monitor: str) -> list[float]:
        """The latest peaks of a monitor, oldest first."""
        with self._lock:
            return [one.peak for one in self._ring if one.monitor == monitor and one.peak is not None]

    def board(self) -> Board:
        """All of it."""
        now = self._clock()
        is_heard = not self._broken and self._since is not None and now - self._since <= STALE
        with self._lock:
            self._roll(now)
            rows = tuple(self._row(name, one) for name, one in sorted(self._known.items()))
            lag = statistics.median(self._lags) if self._lags else None
            return Board(
                gateway=self.gateway,
                is_heard=is_heard,
                since=self._since,
                problem=self._broken or self._trouble or ("The gateway's canary is silent." if self._silent else ""),
                lag=lag,
                n_requests=self._n_requests,
                n_lost=self._n_lost,
                n_kept=len(self._ring),
                rows=rows,
            )

    def _hear(self, kind: str, name: str, event: Mapping[str, Any]) -> None:
        if kind == "began":
            self._follow(name).n_prompt = event.get("n_prompt")
        elif kind == "scored":
            one = self._follow(name)
            if len(one.positions) < _SCORES:
                one.positions.append(int(event["position"]))
                for monitor, score in event["scores"].items():
                    one.scores.setdefault(monitor, []).append(_number(score))
        elif kind == "rose":
            one = self._follow(name)
            one.rose[str(event["verdict"]["name"])] = dict(event["verdict"])
            self._store(_alert(name, one, "", None, list(one.rose.values())))
        elif kind in ("ended", "failed"):
            with self._lock:
                one = self._requests.pop(name, None) or _Request(self._clock())
            verdicts = list(event.get("verdicts", ())) or list(one.rose.values())
            reason = str(event.get("reason", "failed"))
            if any(verdict["level"] != "quiet" for verdict in verdicts):
                self._store(_alert(name, one, reason, event.get("n_new"), verdicts))
            self._end(name, one, reason, int(event.get("n_new") or 0), verdicts)

    def _follow(self, name: str) -> _Request:
        with self._lock:
            found = self._requests.setdefault(name, _Request(self._clock()))
            while len(self._requests) > _UNDER_WAY:
                self._requests.popitem(last=False)
        return found

    def _store(self, alert: Alert) -> None:
        try:
            self._keep(alert)
            self._trouble = ""
        except Exception as error:  # whatever the disk does, the gateway is still to be heard
            self._trouble = f"Alerts cannot be kept: {error}"

    def _end(self, name: str, one: _Request, reason: str, n_new: int, verdicts: list[dict[str, Any]]) -> None:
        now = self._clock()
        n_tokens = (one.n_prompt or 0) + n_new
        with self._lock:
            self._roll(now)
            self._n_requests += 1
            self._minutes[-1][1] += 1
            if not verdicts:
                self._push(now, name, reason, n_tokens, {"name": "", "level": "unscored"})
            for verdict in verdicts:
                known = self._known.setdefault(str(verdict["name"]), _Known())
                known.version = str(verdict.get("version", ""))
                known.n_failed += int(verdict.get("n_failed") or 0)
                peak = _number(verdict.get("peak"))
                if peak is None and verdict["level"] == "quiet":
                    self._push(now, name, reason, n_tokens, {**verdict, "level": "unscored"})
                    continue
                self._push(now, name, reason, n_tokens, verdict)
                known.last = now
                _count(known.minutes, int(now // 60), str(verdict["level"]), peak)

    def _push(self, now: float, name: str, reason: str, n_tokens: int, verdict: Mapping[str, Any]) -> None:
        self._n += 1
        level = str(verdict["level"])
        self._ring.append(
            Heard(
                n=self._n,
                time=now,
                request=name,
                monitor=str(verdict["name"]),
                level=level,
                peak=_number(verdict.get("peak")),
                at=verdict.get(f"{level}_at"),
                probability=_number(verdict.get("probability")),
                action=str(verdict.get("action", "")) if level == "act" else "",
                n_tokens=n_tokens,
                reason=reason,
            )
        )

    def _roll(self, now: float) -> None:
        minute = int(now // 60)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0])
        while self._minutes[0][0] <= minute - MINUTES:
            self._minutes.popleft()

    def _row(self, name: str, known: _Known) -> Row:
        last = self._minutes[-1][0]
        by_minute = {one.minute: one for one in known.minutes if one.minute > last - MINUTES}
        shown = [by_minute.get(minute) for minute in range(last - MINUTES + 1, last + 1)]
        n, n_watch = (sum(getattr(one, what) for one in by_minute.values()) for what in ("n", "n_watch"))
        n_all = sum(count for _, count in self._minutes)
        return Row(
            name=name,
            watches=known.watches,
            version=known.version,
            rate=n / min(MINUTES, last - self._began + 1),
            minutes=tuple(None if one is None or not one.n else one.total / one.n for one in shown),
            counts=tuple(0 if one is None else one.n for one in shown),
            above=share_of(n_watch, n) if n else None,
            n_act=sum(one.n_act for one in by_minute.values()),
            coverage=share_of(n, n_all) if n_all else None,
            n_failed=known.n_failed,
            last=known.last,
            standing=self._standing(name),
        )


def _count(minutes: deque[Minute], minute: int, level: str, peak: float | None) -> None:
    if not minutes or minutes[-1].minute != minute:
        minutes.append(Minute(minute))
    one = minutes[-1]
    one.n += 1
    one.n_watch += level in ("watch", "act")
    one.n_act += level == "act"
    if peak is not None:
        one.total += peak


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _alert(name: str, one: _Request, reason: str, n_new: int | None, verdicts: list[dict[str, Any]]) -> Alert:
    fired = [verdict for verdict in verdicts if verdict["level"] != "quiet"]
    return Alert(
        id=name,
        time=one.time,
        n_prompt=one.n_prompt,
        n_new=n_new,
        reason=reason,
        fired=tuple(
            Fired(
                monitor=verdict["name"],
                version=verdict["version"],
                level=verdict["level"],
                peak=_number(verdict["peak"]),
                watch=verdict["watch"],
                act=verdict["act"],
                watch_at=verdict["watch_at"],
                act_at=verdict["act_at"],
                probability=verdict["probability"],
                n_failed=verdict["n_failed"],
                action=verdict["action"],
                positions=tuple(one.positions) if verdict["name"] in one.scores else (),
                scores=tuple(one.scores.get(verdict["name"], ())),
            )
            for verdict in fired
        ),
        quiet=tuple(verdict["name"] for verdict in verdicts if verdict["level"] == "quiet"),
    )
