import asyncio

import pytest

from hooke.errors import BadRequest
from hooke.server.gateway.feed import _MOST, _READERS, Feed
from tests.server.loops import awaited


def test_readers_get_what_they_want_and_a_slow_one_loses_the_oldest():
    async def work() -> tuple[list, list, int]:
        lost: list[int] = []
        feed = Feed(lambda: lost.append(1))
        all_of_it, mine = feed.read("op", lambda _: True), feed.read("me", lambda owner: owner == "me")
        heard: list = []

        async def hear() -> None:
            heard.extend([event async for event in mine])

        reading = asyncio.create_task(hear())
        first = asyncio.create_task(anext(all_of_it))
        await asyncio.sleep(0)
        assert feed.has_readers
        for n in range(_MOST + 5):
            feed.tell("me" if n == 2 else "other", {"kind": "k", "n": n})
        feed.close()
        slow = [await first, *[event async for event in all_of_it]]
        await reading
        assert not feed.has_readers
        return heard, slow, len(lost)

    heard, slow, n_lost = awaited(work())
    assert heard == [("k", {"kind": "k", "n": 2})]
    numbers = [event["n"] for kind, event in slow if kind == "k"]
    assert numbers == sorted(numbers)
    assert numbers[-1] == _MOST + 4
    assert ("lost", {"n": n_lost}) in slow
    assert n_lost == _MOST + 5 - len(numbers)


def test_one_key_has_so_many_readers():
    async def work() -> None:
        feed = Feed()
        reading = [asyncio.create_task(anext(feed.read("me", bool))) for _ in range(_READERS)]  # pyright: ignore
        await asyncio.sleep(0)
        with pytest.raises(BadRequest, match="Too many readers"):
            feed.read("me", bool)
        feed.read("other", bool)
        reading[0].cancel()
        await asyncio.wait(reading[:1])
        feed.read("me", bool)
        for one in reading:
            one.cancel()

    awaited(work())
