import threading
from concurrent.futures import CancelledError

import pytest

from hooke.server.turns import Turns


@pytest.fixture
def held():
    """Turns whose thread is busy until `held.go` is set."""
    turns = Turns("test")
    go, is_busy = threading.Event(), threading.Event()

    def hold() -> None:
        is_busy.set()
        go.wait(10)

    turns.submit("holder", hold)
    assert is_busy.wait(10)
    yield turns, go
    go.set()
    turns.close()


def test_clients_come_round_robin_and_each_in_its_own_order(held: tuple[Turns, threading.Event]):
    turns, go = held
    done: list[str] = []
    futures = [turns.submit("many", lambda n=n: done.append(f"many {n}")) for n in range(3)]
    futures += [turns.submit("few", lambda: done.append("few 0"))]
    # The holder's turn, and what of the other client's comes before or between one's own.
    assert [turns.place(future) for future in futures] == [1, 3, 4, 2]
    go.set()
    for future in futures:
        future.result(10)
    assert [turns.place(future) for future in futures] == [0, 0, 0, 0]
    assert done == ["many 0", "few 0", "many 1", "many 2"]


def test_cancelled_work_is_not_done(held: tuple[Turns, threading.Event]):
    turns, go = held
    done: list[int] = []
    cancelled, kept = turns.submit("a", lambda: done.append(1)), turns.submit("a", lambda: done.append(2))
    assert cancelled.cancel()
    go.set()
    kept.result(10)
    assert done == [2]


def test_an_error_is_the_result_and_the_thread_goes_on(held: tuple[Turns, threading.Event]):
    turns, go = held
    go.set()
    with pytest.raises(ZeroDivisionError):
        turns.submit("a", lambda: 1 / 0).result(10)
    assert turns.submit("a", lambda: 5).result(10) == 5


def test_closing_cancels_what_waits():
    turns = Turns("test")
    go, is_busy = threading.Event(), threading.Event()

    def hold() -> int:
        is_busy.set()
        go.wait(10)
        return 1

    first = turns.submit("a", hold)
    assert is_busy.wait(10)
    waiting = turns.submit("a", lambda: 2)
    closing = threading.Thread(target=turns.close)
    closing.start()
    go.set()
    closing.join(10)
    assert first.result(1) == 1
    with pytest.raises(CancelledError):
        waiting.result(1)
    with pytest.raises(RuntimeError):
        turns.submit("a", lambda: 3)
