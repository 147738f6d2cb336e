"""A chat endpoint on this machine that answers as it is told: well, with nonsense, with refusals, or never."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What is sent back: a status, headers, a body, and seconds to wait before."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


def says(text: Any, **usage: int) -> Reply:
    """A good answer."""
    data = {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}
    return Reply(body=json.dumps(data).encode())


@dataclass
class FakeEndpoint:
    """Its address and what it was asked."""

    url: str
    asked: list[dict[str, Any]]
    keys: list[str | None]


@contextmanager
def endpoint(answer: Callable[[dict[str, Any]], Reply]) -> Iterator[FakeEndpoint]:
    """An endpoint for the length of a test; `answer` gives the reply to what was posted."""
    over = threading.Event()
    found = FakeEndpoint("", [], [])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append(asked)
            found.keys.append(self.headers.get("Authorization"))
            reply = answer(asked)
            if reply.hangs:
                over.wait(20)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def in_turn(*replies: Reply) -> Callable[[dict[str, Any]], Reply]:
    """Each reply once, and the last one from then on."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
