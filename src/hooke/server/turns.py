"""One thread that runs a model, and whose turn it is: clients come round robin, each with its own requests in order."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Work in one thread of its own. A client with a hundred requests waits behind one with one."""

    def __init__(self, name: str) -> None:
        self._waiting: OrderedDict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()
        self._changed = threading.Condition()
        self._is_open = True
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, client: str, work: Callable[[], T]) -> "Future[T]":
        """Queue a piece of work; cancelling its future before its turn takes it off the queue."""
        future: Future[T] = Future()
        with self._changed:
            if not self._is_open:
                raise RuntimeError("the thread has ended")
            self._waiting.setdefault(client, deque()).append((future, work))
            self._changed.notify()
        return future

    def place(self, turn: "Future[Any]") -> int:
        """How many turns come before this one, the one in hand included; 0 once its own has come."""
        with self._changed:
            rounds = {client: [future for future, _ in queue] for client, queue in self._waiting.items()}
            own = next((client for client, futures in rounds.items() if turn in futures), None)
            if own is None:
                return 0
            at, clients = rounds[own].index(turn), list(rounds)
            # Whoever stands before its client has a turn in this round, too; the others only in the rounds before.
            before = {client: at + (clients.index(client) < clients.index(own)) for client in clients if client != own}
            return self._is_busy + at + sum(min(len(rounds[client]), turns) for client, turns in before.items())

    def close(self) -> None:
        """End the thread once the work in hand is done; what waits is cancelled."""
        with self._changed:
            self._is_open = False
            for queue in self._waiting.values():
                for future, _ in queue:
                    future.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._is_busy = False
            while not self._waiting and self._is_open:
                self._changed.wait()
            if not self._waiting:
                return None
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[client] = queue
            self._is_busy = True
            return turn

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            future, work = turn
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # whoever waits for the result gets it
                future.set_exception(error)
            del future, work, turn
