"""Progress of long jobs. Library code says how far it is; who shows it is the caller's choice.

`track` feeds the sink in force, silent unless `showing(sink)` set another for its scope.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Sink(Protocol):
    """What shows progress: a terminal bar, a server job, nothing."""

    def start(self, job: str, total: float | None, unit: str) -> None: ...
    def advance(self, job: str, amount: float) -> None: ...
    def finish(self, job: str) -> None: ...


class Silent:
    """Shows nothing."""

    def start(self, job: str, total: float | None, unit: str) -> None:
        """Ignored."""

    def advance(self, job: str, amount: float) -> None:
        """Ignored."""

    def finish(self, job: str) -> None:
        """Ignored."""


_sink: ContextVar[Sink] = ContextVar("hooke_progress", default=Silent())


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
    total: float | None = None,
    unit: str = "steps",
    size: Callable[[T], float] | None = None,
) -> Iterator[T]:
    """The items, unchanged; each one that the caller has finished with advances the job by `size(item)` (1 by default)."""
    sink = _sink.get()
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # pyright: ignore[reportArgumentType]
    sink.start(job, total, unit)
    try:
        for item in items:
            yield item
            sink.advance(job, 1 if size is None else size(item))
    finally:
        sink.finish(job)
