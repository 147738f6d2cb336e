"""A gateway over a tiny lab: on a port of this machine, for real clients, or only open, for tests without a network."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from hooke.cli.serve import listen
from hooke.directions.recipe import Recipe, RecipeEdit, save_recipe
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.monitors.audit_log import AuditLog
from hooke.monitors.stream import Monitor
from hooke.server.gateway.app import Server, create_gateway
from hooke.server.gateway.front import Gateway
from hooke.server.gateway.keys import add_key
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.doubles import along

PUSH = [float(one) for one in range(-16, 16)]


@dataclass(frozen=True)
class Live:
    """A gateway that listens."""

    address: str
    gateway: Gateway
    secret: str
    """Of a key that may do everything."""
    server: Server

    def client(self, secret: str | None = None, **settings: Any) -> httpx.Client:
        """A client with a key."""
        headers = {"authorization": f"Bearer {secret or self.secret}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60, trust_env=False, **settings)


def tiny_model(lab: TinyLab) -> Model:
    """The lab's model; its answers end only where they are told to."""
    model = load(lab.model, lab=lab.lab)
    model.hf.generation_config.eos_token_id = None
    model.tokenizer.eos_token = None
    return model


def with_recipes(lab: Lab) -> Lab:
    """The lab with recipes of a vector, of a feature, and of a dictionary that is not there."""
    edit = RecipeEdit(site="resid_post.1", vector=tuple(PUSH), strength=2.0)
    save_recipe(lab, Recipe(name="push", edits=(edit,)))
    save_recipe(lab, Recipe(name="lost", edits=(RecipeEdit(feature="resid_post.1/3@nowhere"),)))
    save_recipe(lab, Recipe(name="inside", edits=(RecipeEdit(site="k.1", vector=(1.0,) * 8),)))
    return lab


def quiet() -> list[Monitor]:
    """Monitors that watch every request and do nothing about it."""
    return [along("calm", "resid_post.1", watch=-1e9, act=1e9), along("other", "mlp_out.0", seed=3, act=1e9)]


@contextmanager
def running(
    lab: TinyLab,
    model: Model,
    *,
    monitors: Sequence[Monitor] = (),
    offered: Sequence[Monitor] = (),
    steering: Sequence[str] = (),
    has_audit: bool = False,
    grace: float = 5.0,
    max_body: int = 200_000,
    body_seconds: float = 2.0,
    head_seconds: float = 10.0,
    write_seconds: float = 60.0,
    canary_every: float = 0.0,
    **settings: Any,
) -> Iterator[Live]:
    """A gateway in a thread, with a key that may do everything."""
    name = f"all-{uuid4().hex}"
    secret = add_key(
        lab.lab, name, steering=("*",), per_minute=100_000, at_once=1000, max_strength=9.0, is_operator=True
    )
    audit = AuditLog(lab.lab.path("audits", name), actor="gateway", sync=False) if has_audit else None
    gateway = Gateway(lab.lab, model, monitors=monitors, offered=offered, steering=steering, audit=audit, **settings)
    app = create_gateway(gateway, max_body=max_body, body_seconds=body_seconds, canary_every=canary_every)
    server = Server(app, grace=grace, head_seconds=head_seconds, write_seconds=write_seconds)
    listening = listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(trust_env=False) as waiting:
            waiting.get(f"{address}/health", timeout=30)
        yield Live(address, gateway, secret, server)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
