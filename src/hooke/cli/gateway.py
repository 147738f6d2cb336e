"""`hooke gateway ...`: a model for other programs, watched by monitors, and the keys of those who may ask it."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.serve import listen
from hooke.errors import BadRequest
from hooke.lab import Lab

if TYPE_CHECKING:
    from hooke.models.model import Model
    from hooke.monitors.audit_log import AuditLog
    from hooke.monitors.stream import OpenMonitor

PORT = 7346


def serve(
    model: ModelRef = "smollm2-135m",
    /,
    *,
    monitor: tuple[str, ...] = (),
    offer: tuple[str, ...] = (),
    steer: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    port: int = PORT,
    engine: Literal["reference", "vllm"] = "reference",
    at_once: int = 8,
    waiting: int = 32,
    max_new: int = 1024,
    grace: float = 30.0,
    canary: float = 60.0,
    audit: Path | None = None,
    sign: Path | None = None,
    force: bool = False,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> None:
    """Serve a model as OpenAI does, with monitors and steering by registered name.

    Clients reach it under http://HOST:PORT/v1 with a key from `hooke gateway key add`. Ctrl-C lets answers under way
    end first. It speaks plain HTTP: beyond this machine, put a TLS proxy before it (docs/gateway.md).

    Parameters
    ----------
    monitor
        A monitor of the lab that watches every request, asked for or not.
    offer
        A monitor of the lab that requests may ask for.
    steer
        A recipe of the lab that requests may steer by: NAME, or NAME=LOW:HIGH for bounds other than 0:1.
    host
        Address to listen on.
    port
        Port to listen on; 0 takes a free one.
    engine
        What runs the model: hooke's own, or vLLM where it is installed (docs/gateway.md says how).
    at_once
        Requests in one batch.
    waiting
        Requests that may wait for it; the next is told to try again.
    max_new
        Tokens of one answer at most.
    grace
        Seconds that answers under way are given to end.
    canary
        Seconds between two canary requests, in which every monitor must fire; 0 sends none.
    audit
        Folder of the audit log: lab/audits/gateway unless given.
    sign
        File of the key that its anchors are signed with, see `hooke monitor new-key`.
    force
        Take monitors although they were made for other weights, another template, or are out of date.
    """
    from hooke.server.gateway.app import Server, create_gateway
    from hooke.server.gateway.front import Gateway
    from hooke.server.gateway.logs import log_to

    lab = everywhere.lab
    _require_keys(lab)
    with listen(host, port) as listening:
        loaded = loading.load(model, lab)
        gateway = Gateway(
            lab,
            loaded,
            monitors=_opened(monitor, loaded, lab, force=force),
            offered=_opened([name for name in offer if name not in monitor], loaded, lab, force=force),
            steering=steer,
            audit=_log(audit or lab.path("audits", "gateway"), sign),
            max_rows=at_once,
            max_waiting=waiting,
            max_new=max_new,
            engine=engine,
        )
        log_to(sys.stderr)
        _announce((host, listening.getsockname()[1]), loaded.name, gateway.monitors, is_json=everywhere.json)
        Server(create_gateway(gateway, canary_every=canary), grace=grace).run(sockets=[listening])


def _log(folder: Path, sign: Path | None) -> "AuditLog":
    from hooke.monitors.audit_log import AuditLog
    from hooke.monitors.signing_keys import read_key

    return AuditLog(folder, actor="gateway", signer=None if sign is None else read_key(sign))


def _opened(names: Iterable[str], model: "Model", lab: Lab, *, force: bool) -> "list[OpenMonitor]":
    from hooke.monitors.spec import load_spec
    from hooke.monitors.stream import open_monitor

    return [open_monitor(load_spec(lab, name), model, lab, force=force) for name in dict.fromkeys(names)]


def add(
    name: str,
    /,
    *,
    monitors: tuple[str, ...] = ("*",),
    steering: tuple[str, ...] = (),
    max_strength: float = 1.0,
    per_minute: int = 60,
    at_once: int = 8,
    hide_verdicts: bool = False,
    operator: bool = False,
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Make a key for the gateway; its secret is shown once.

    Parameters
    ----------
    name
        What to call it; logs name it in place of the secret.
    monitors
        Monitors that it may ask for; * for all that are offered.
    steering
        Recipes that it may steer by; * for all that are registered.
    max_strength
        The largest strength that it may steer at.
    per_minute
        Requests a minute.
    at_once
        Requests at the same time.
    hide_verdicts
        Say nothing in answers of what monitors found: who sees scores can search for words that lower them.
    operator
        Let it read everybody's events and the metrics.
    """
    from hooke.server.gateway.keys import add_key

    secret = add_key(
        everywhere.lab,
        name,
        monitors=monitors,
        steering=steering,
        max_strength=max_strength,
        per_minute=per_minute,
        at_once=at_once,
        hides_verdicts=hide_verdicts,
        is_operator=operator,
    )
    said = f"{secret}\n\nThis is shown once; the lab keeps its hash. Clients send it as OPENAI_API_KEY."
    return Answer(data={"name": name, "secret": secret}, shown=(said,))


def list_keys(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the gateway's keys and what each may do."""
    from hooke.cli.terminal import table
    from hooke.configs import to_dict
    from hooke.server.gateway.keys import read_keys

    keys = read_keys(everywhere.lab)
    data = [{name: value for name, value in to_dict(one).items() if name != "hash"} for one in keys]
    rows = [
        (
            one.name,
            one.made,
            ", ".join(one.monitors) or "none",
            ", ".join(one.steering) or "none",
            one.per_minute,
            one.at_once,
            "operator" if one.is_operator else "",
        )
        for one in keys
    ]
    columns = ("key", "made", "monitors", "steering", "a minute>", "at once>", "")
    return Answer(data={"keys": data}, shown=(table(columns, rows),))


def remove(name: str, /, *, everywhere: Everywhere = Everywhere()) -> Answer:
    """Take a key away; a gateway that runs refuses it at once.

    Parameters
    ----------
    name
        What it is called.
    """
    from hooke.server.gateway.keys import remove_key

    remove_key(everywhere.lab, name)
    return Answer(data={"removed": name}, shown=(f"The key '{name}' is gone.",))


def _require_keys(lab: Lab) -> None:
    from hooke.server.gateway.keys import read_keys

    if not read_keys(lab):
        raise BadRequest("Nobody could ask this gateway.", "It has no keys.", "Make one: hooke gateway key add NAME")


def _announce(listening: tuple[str, int], model: str, monitors: Iterable[str], *, is_json: bool) -> None:
    # With --json standard output was turned to standard error for the time of the call.
    out, address = sys.__stdout__ or sys.stdout, "http://{}:{}/v1".format(*listening)
    names = sorted(monitors)
    if is_json:
        out.write(json.dumps({"address": address, "model": model, "monitors": names}) + "\n")
    else:
        watched = ", ".join(names) or "no monitors"
        out.write(f"{model} is served at\n\n  {address}\n\nWatched by {watched}. Logs go to standard error.\n")
    out.flush()
