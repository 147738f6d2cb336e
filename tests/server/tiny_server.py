"""A microscope over a tiny lab: in this process for a client without a network, or on a port for a browser.

    def test_something(api):                    # httpx client that is let in; api.get("/api/library")
    def test_somewhere(microscope, page):       # tests/browser: a page that is let in, microscope.address before paths

The lab has a model 'tiny-model' (two blocks of width 32), a dictionary 'tiny' with 48 features at resid_post.1, a
dictionary 'bare' without an index, an index 'tiny' of sentences in English, French and Python, and a training run.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI

from hooke.cli.app import main
from hooke.cli.serve import listen
from hooke.lab import Lab
from hooke.server.access import COOKIE, Keys
from hooke.server.app import STATIC, create_app
from tests.cli.tiny_lab import TinyLab, make_tiny_lab, write_dictionary


@dataclass(frozen=True)
class Microscope:
    """A server that listens."""

    address: str
    keys: Keys
    app: FastAPI
    lab: Lab

    def link(self, path: str = "/") -> str:
        """An address that lets one browser in."""
        return f"{self.address}{path}{'&' if '?' in path else '?'}token={self.keys.new_link()}"

    def client(self) -> httpx.Client:
        """A client that is let in."""
        session = self.keys.open(self.keys.new_link())
        assert session
        return httpx.Client(
            base_url=self.address, cookies={COOKIE: session}, headers={"X-Hooke": "1"}, timeout=60, trust_env=False
        )


def make_server_lab(root: Path) -> TinyLab:
    """The tiny lab with an index, a run, and a dictionary that has no index."""
    made = make_tiny_lab(root)
    store = "harvest MODEL --name store --site resid_post.1 --tokens 1500 --corpus CORPUS --context 32"
    train = "train trained --activations store --n-features 16 --k 2 --batch 64 --n-tokens 640 --calibration-tokens 64"
    index = "index tiny --model MODEL --tokens 2000 --corpus CORPUS --context 32"
    for command in (store, train, index):
        assert main(made.words(command)) == 0, command
    write_dictionary(made.lab, "bare", "tiny-model")
    return made


class _Server(uvicorn.Server):
    """Closes what uvicorn leaves: streams that a browser still holds are cancelled, but their sockets stay open."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def running(
    lab: Lab,
    *,
    model: Path | None = None,
    read_only: bool = False,
    port: int = 0,
    static: Path = STATIC,
    keys: Keys | None = None,
    root: str = "/",
) -> Iterator[Microscope]:
    """A server of the lab on a port of this machine, in a thread."""
    keys = keys or Keys()
    given = str(model) if model else None
    app = create_app(lab, keys=keys, read_only=read_only, model=given, static=static, root=root)
    listening = listen("127.0.0.1", port)
    server = _Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(trust_env=False) as waiting:
            waiting.get(f"{address}/api/health", timeout=30)
        yield Microscope(address, keys, app, lab)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
