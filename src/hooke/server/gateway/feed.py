"""The side stream: what happens to requests, told beside the answers, so that clients need not know of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from hooke.errors import BadRequest

_MOST = 1000
"""Events that wait for a slow reader; the oldest go first."""
_READERS = 4
"""Readers of one key at the same time."""


@dataclass(eq=False)
class _Reader:
    owner: str
    wants: Callable[[str], bool]
    events: asyncio.Queue[dict[str, Any] | None] = field(default_factory=lambda: asyncio.Queue(_MOST))
    n_lost: int = 0


class Feed:
    """Events to whoever reads them. For the thread of the loop only."""

    def __init__(self, on_lost: Callable[[], None] = lambda: None) -> None:
        self._readers: list[_Reader] = []
        self._on_lost = on_lost

    @property
    def has_readers(self) -> bool:
        """Whether anybody reads."""
        return bool(self._readers)

    def tell(self, owner: str, event: dict[str, Any]) -> None:
        """An event of a request, or of the gateway itself; `owner` is the name of the request's key."""
        for reader in self._readers:
            if reader.wants(owner):
                self._put(reader, event)

    def read(self, owner: str, wants: Callable[[str], bool]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Events of the owners that are wanted, by kind, until the feed closes; how many were lost on the way, too.

        Raises:
            BadRequest: this owner has as many readers as it may.
        """
        if sum(one.owner == owner for one in self._readers) >= _READERS:
            raise BadRequest("Too many readers of one key.", f"It has {_READERS} already.", "End one of them.")
        return self._events(_Reader(owner, wants))

    async def _events(self, reader: _Reader) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        # Not before the first event is asked for: what never begins would never be taken off again.
        self._readers.append(reader)
        try:
            while (event := await reader.events.get()) is not None:
                if reader.n_lost:
                    lost, reader.n_lost = reader.n_lost, 0
                    yield "lost", {"n": lost}
                yield event["kind"], event
        finally:
            self._readers.remove(reader)

    def close(self) -> None:
        """End every reader's stream."""
        for reader in self._readers:
            self._put(reader, None)

    def _put(self, reader: _Reader, event: dict[str, Any] | None) -> None:
        if reader.events.full():
            reader.events.get_nowait()
            reader.n_lost += 1
            self._on_lost()
        reader.events.put_nowait(event)
