"""Progress of long jobs. Library code says how far it is; who shows it is the caller's choice.

`track` feeds the sink in force, silent unless `showing(sink)` set another for its scope.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Sink(Protocol):
    """What shows progress: a terminal bar, a server job, nothing."""

    def start(self, job: str, total: float | None, unit: str) -> None:
        """A job begins; `total` is None when its length is not known."""

    def advance(self, job: str, amount: float) -> None:
        """The job is further by this much."""

    def finish(self, job: str) -> None:
        """The job ended, well or not."""


class Silent:
    """Shows nothing."""

    def start(self, job: str, total: float | None, unit: str) -> None:
        """Ignored."""

    def advance(self, job: str, amount: float) -> None:
        """Ignored."""

    def finish(self, job: str) -> None:
        """Ignored."""


_SILENT = Silent()
_sink: ContextVar[Sink] = ContextVar("hooke_progress", default=_SILENT)


@contextmanager
def showing(sink: Sink) -> Iterator[None]:
    """Every `track` inside the block reports to this sink."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def track(
    items: Iterable[T],
    job: str,
    *,
    total: float | int | None = None,
    unit: str = "steps",
    size: Callable[[T], float] | None = None,
) -> Iterator[T]:
    """The items, unchanged; each one that the caller is done with advances the job by `size(item)`, 1 by default."""
    sink = _sink.get()
    if total is None and size is None and hasattr(items, "__len__"):
        total = len(items)  # pyright: ignore[reportArgumentType]
    sink.start(job, None if total is None else float(total), unit)
    try:
        for item in items:
            yield item
            sink.advance(job, 1.0 if size is None else float(size(item)))
    finally:
        sink.finish(job)
