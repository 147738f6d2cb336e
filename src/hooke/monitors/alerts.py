"""Alerts and what people made of them: requests in which a monitor was above a threshold, kept in the lab.

An alert holds names, numbers and places, and no text. Both files grow by whole lines that are on the disk before a call
returns; of an alert that is written again, and of a second look at the same monitor's finding, the last line counts.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab
from hooke.monitors.append_file import append_line, cut_torn, whole_lines
from hooke.monitors.evaluation import Share, share_of

Opinion = Literal["right", "wrong", "unsure"]

ALERTS, REVIEWS = "alerts.jsonl", "reviews.jsonl"
LATEST = 5000
"""Alerts that are kept in memory; older ones are looked up in the file."""
_NOTE = 4000
_NAME = 100

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fired:
    """What one monitor found in a request."""

    monitor: str
    """Its name."""
    version: str
    """Identifies what it was."""
    level: Literal["watch", "act"]
    """The highest level that was reached."""
    peak: float | None
    """The largest score at any token."""
    watch: float | None
    """Threshold of the level watch, then."""
    act: float | None
    """Threshold of the level act, then."""
    watch_at: int | None
    """Position of the token at which it was first at watch, or above."""
    act_at: int | None
    """Position of the token at which it was first at act."""
    probability: float | None
    """Of the peak, by the calibration's map, where there is one."""
    n_failed: int
    """Tokens at which its scorer failed."""
    action: str
    """What it does at act."""
    positions: tuple[int, ...] = ()
    """Tokens of which the score was told: the prompt's last one, and those of the answer."""
    scores: tuple[float | None, ...] = ()
    """Their pooled scores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A request in which a monitor was above a threshold."""

    id: str
    """The request's."""
    time: float
    """When it began, in seconds since 1970."""
    n_prompt: int | None
    """Tokens of the prompt; None where its beginning was not heard."""
    n_new: int | None
    """Tokens of the answer; None while it is under way, and where its end was not heard."""
    reason: str
    """Why the answer ended; empty while it is under way, 'lost' where its end was not heard."""
    fired: tuple[Fired, ...]
    """Monitors that were above a threshold."""
    quiet: tuple[str, ...] = ()
    """Monitors that saw it and were not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """What somebody made of a monitor's finding."""

    alert: str
    """The alert."""
    monitor: str
    """Whose finding."""
    opinion: Opinion
    """right: the concept was there; wrong: it was not; unsure."""
    note: str
    """Why."""
    by: str
    """Who says so, by the name that they gave."""
    time: float
    """When, in seconds since 1970."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What reviews say of a monitor. Reviewers choose what they look at: these are no random alerts."""

    n_alerts: int
    """Its alerts."""
    n_act: int
    """Of these, at the level act."""
    n_reviewed: int
    """Of these, looked at."""
    n_unsure: int
    """Of these, left open; they count for neither side."""
    precision: Share | None
    """Share of those decided that were right; None where none was."""


_ALERT, _REVIEW = TypeAdapter(Alert), TypeAdapter(Review)


def _alert_of(line: bytes) -> Alert:
    return _ALERT.validate_json(line, extra="forbid")


def _review_of(line: bytes) -> Review:
    return _REVIEW.validate_json(line, extra="forbid")


class AlertBook:
    """The alerts of a lab. From any thread."""

    def __init__(self, lab: Lab) -> None:
        self._folder = lab.path("audits", "alerts")
        self._lock = threading.Lock()
        self._latest: OrderedDict[str, Alert] = OrderedDict()
        self._levels: dict[tuple[str, str], str] = {}
        self._reviews: dict[tuple[str, str], Review] = {}
        self.n_unreadable = 0
        """Lines that could not be read; they are left as they are."""
        for name in (ALERTS, REVIEWS):
            cut_torn(self._folder / name)
        for alert in self._read(ALERTS, _alert_of):
            self._take(alert)
        for review in self._read(REVIEWS, _review_of):
            self._reviews[review.alert, review.monitor] = review

    def put(self, alert: Alert) -> None:
        """Keep an alert; it takes the place of what was kept of the same request.

        Raises:
            OutOfSpace: the disk is full.
        """
        with self._lock:
            self._append(ALERTS, _ALERT.dump_json(alert))
            self._take(alert)

    def add(self, review: Review) -> None:
        """Keep a review; it takes the place of an earlier one of the same finding.

        Raises:
            UnknownName: there is no such alert.
            BadRequest: the monitor did not fire there, or its words are too long.
            OutOfSpace: the disk is full.
        """
        alert = self.find(review.alert)
        if review.monitor not in {one.monitor for one in alert.fired}:
            fired = ", ".join(one.monitor for one in alert.fired)
            raise BadRequest(f"'{review.monitor:.80}' did not fire there.", f"Fired: {fired}.", "Name one of them.")
        if len(review.note) > _NOTE or len(review.by) > _NAME:
            raise BadRequest("The review is too long.", "", f"A note has {_NOTE} characters at most, a name {_NAME}.")
        with self._lock:
            self._append(REVIEWS, _REVIEW.dump_json(review))
            self._reviews[review.alert, review.monitor] = review

    def latest(self, n: int, *, monitor: str = "") -> list[Alert]:
        """The newest alerts, newest first; of one monitor, where it is named."""
        with self._lock:
            kept = list(self._latest.values())
        wanted = (one for one in reversed(kept) if not monitor or monitor in {fired.monitor for fired in one.fired})
        return [one for one, _ in zip(wanted, range(n), strict=False)]

    def find(self, name: str) -> Alert:
        """The alert of a request.

        Raises:
            UnknownName: there is none.
        """
        with self._lock:
            found = self._latest.get(name)
        if found is None:
            found = next((one for one in reversed([*self._read(ALERTS, _alert_of)]) if one.id == name), None)
        if found is None:
            raise UnknownName(
                f"There is no alert '{name:.80}'.", "No monitor fired, or it was not heard.", "See /monitors."
            )
        return found

    def reviews_of(self, name: str) -> list[Review]:
        """What was said of an alert, by monitor."""
        with self._lock:
            return sorted((one for one in self._reviews.values() if one.alert == name), key=lambda one: one.monitor)

    def standing(self, monitor: str) -> Standing:
        """How a monitor's alerts turned out."""
        with self._lock:
            levels = [level for (_, name), level in self._levels.items() if name == monitor]
            opinions = [one.opinion for one in self._reviews.values() if one.monitor == monitor]
        n_right, n_wrong = opinions.count("right"), opinions.count("wrong")
        n = n_right + n_wrong
        return Standing(
            n_alerts=len(levels),
            n_act=levels.count("act"),
            n_reviewed=len(opinions),
            n_unsure=opinions.count("unsure"),
            precision=share_of(n_right, n) if n else None,
        )

    def _take(self, alert: Alert) -> None:
        self._latest[alert.id] = alert
        for one in alert.fired:
            self._levels[alert.id, one.monitor] = one.level
        while len(self._latest) > LATEST:
            self._latest.popitem(last=False)

    def _append(self, name: str, line: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        append_line(self._folder / name, line + b"\n", sync=True, mode=0o600)

    def _read(self, name: str, read: Callable[[bytes], T]) -> Iterator[T]:
        for line in whole_lines(self._folder / name):
            try:
                yield read(line)
            except ValidationError:
                self.n_unreadable += 1
