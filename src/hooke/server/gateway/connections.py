"""Connections that may not be slow: neither with the head of a request nor in reading the answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class Impatient(H11Protocol):
    """Closes connections whose request does not come, or whose answer is not taken."""

    head_seconds = 10.0
    """From a connection's first moment, or the first byte of its next request, to the end of the request's head."""
    write_seconds = 60.0
    """How long what was sent may wait to be taken."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head: asyncio.TimerHandle | None = None
        self._taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head = self.loop.call_later(self.head_seconds, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Take bytes in; the wait ends with a request's head, and begins with the first byte of the next."""
        before = self.cycle
        is_busy = before is not None and not before.response_complete
        if self._head is None and not is_busy:
            self._head = self.loop.call_later(self.head_seconds, self._give_up)
        super().data_received(data)
        if self.cycle is not before:
            self._head = _stopped(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head, self._taken = _stopped(self._head), _stopped(self._taken)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self._taken = self._taken or self.loop.call_later(self.write_seconds, self._give_up)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._taken = _stopped(self._taken)

    def _give_up(self) -> None:
        self.transport.abort()


def impatient(*, head_seconds: float, write_seconds: float) -> type[Impatient]:
    """The same with other limits."""
    return type("Impatient", (Impatient,), {"head_seconds": head_seconds, "write_seconds": write_seconds})


def _stopped(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
