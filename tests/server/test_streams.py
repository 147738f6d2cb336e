import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

import hooke.server.streams
from hooke.errors import UnknownName
from hooke.server.streams import event_response
from tests.server.loops import awaited


def read(events: AsyncIterator[tuple[str, Any]], n: int | None = None) -> list[tuple[str, Any]]:
    """The events that a response sends, at most n of them before the reader leaves."""

    async def reading() -> list[tuple[str, Any]]:
        found = []
        lines = event_response(events).body_iterator
        async for block in lines:
            assert isinstance(block, str)
            if block.startswith(":"):
                found.append(("comment", block[1:].strip()))
            else:
                name, data = block.removesuffix("\n\n").split("\n")
                found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
            if n is not None and len(found) == n:
                await lines.aclose()  # pyright: ignore[reportAttributeAccessIssue]
                break
        return found

    return awaited(reading())


async def counting(n: int, closed: list[bool]) -> AsyncIterator[tuple[str, Any]]:
    try:
        for number in range(n):
            yield "number", {"n": number}
    finally:
        closed.append(True)


def test_events_come_in_order_and_end_with_end():
    closed: list[bool] = []
    assert read(counting(2, closed)) == [("number", {"n": 0}), ("number", {"n": 1}), ("end", {})]
    assert closed == [True]


def test_a_reader_that_leaves_closes_the_source():
    closed: list[bool] = []
    assert read(counting(100, closed), 1) == [("number", {"n": 0})]
    assert closed == [True]


def test_an_error_on_the_way_is_the_last_event():
    async def failing() -> AsyncIterator[tuple[str, Any]]:
        yield "number", 1
        raise UnknownName("No such thing.")

    events = read(failing())
    assert events[0] == ("number", 1)
    assert events[-1][0] == "problem"
    assert events[-1][1]["type"] == "unknown-name"


def test_text_stays_in_its_event_and_numbers_are_json():
    async def hostile() -> AsyncIterator[tuple[str, Any]]:
        yield "text", {"text": "a\n\nevent: forged\ndata: 1\r\n", "value": float("nan")}

    events = read(hostile())
    assert events == [("text", {"text": "a\n\nevent: forged\ndata: 1\r\n", "value": None}), ("end", {})]


def test_a_silent_stream_says_that_it_is_alive(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooke.server.streams, "_HEARTBEAT", 0.01)

    async def slow() -> AsyncIterator[tuple[str, Any]]:
        await asyncio.sleep(0.1)
        yield "number", 1

    events = read(slow())
    assert ("comment", "alive") in events
    assert events[-2:] == [("number", 1), ("end", {})]
