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

    def ahead(self, client: str) -> int:
        """How many other clients wait now: one round passes before this client's next turn."""
        with self._changed:
            return sum(1 for other, queue in self._waiting.items() if other != client and queue)

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
            while not self._waiting and self._is_open:
                self._changed.wait()
            if not self._waiting:
                return None
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[client] = queue
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
