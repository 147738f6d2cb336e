"""Server-sent events: one JSON object an event, problems included, and a heartbeat while nothing happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from hooke.errors import HookeError
from hooke.server.problems import problem_of

_HEARTBEAT = 15.0
"""Seconds after which a silent stream says that it is alive, so that a reader that has gone is noticed."""


def event_response(events: AsyncIterator[tuple[str, Any]]) -> StreamingResponse:
    """A stream of (event name, data). An error on the way is its last event, 'problem'; the end is the event 'end'."""
    return StreamingResponse(
        _lines(events), media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )


async def _lines(events: AsyncIterator[tuple[str, Any]]) -> AsyncIterator[str]:
    iterator = aiter(events)
    pending: asyncio.Future[tuple[str, Any]] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(iterator))  # pyright: ignore[reportArgumentType]
            done, _ = await asyncio.wait({pending}, timeout=_HEARTBEAT)
            if not done:
                yield ": alive\n\n"
                continue
            try:
                name, data = pending.result()
            except StopAsyncIteration:
                yield _event("end", {})
                return
            except (HookeError, OSError) as error:
                yield _event("problem", problem_of(error))
                return
            pending = None
            yield _event(name, data)
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.wait({pending})
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {to_json(data, inf_nan_mode='null').decode()}\n\n"
