"""A gateway followed: let in by an operator's key only, heard line by line, and followed again when it goes."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import hooke.server.gateway_link as link
from hooke.errors import BadRequest
from hooke.monitors.alerts import Alert, Standing
from hooke.server.gateway_link import GatewayAddress, follow, gateway_address
from hooke.server.live_monitors import LiveMonitors
from tests.server.loops import awaited

NOTHING = Standing(n_alerts=0, n_act=0, n_reviewed=0, n_unsure=0, precision=None)
SECRET = "hk-secret-of-a-test"


def test_the_key_comes_from_the_environment_or_a_file_and_is_not_shown(tmp_path: Path):
    found = gateway_address("http://127.0.0.1:7346/v1/", None, {link.KEY: f"{SECRET}\n"})
    assert (found.url, found.secret) == ("http://127.0.0.1:7346", SECRET)
    assert SECRET not in repr(found)
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    assert gateway_address("https://there", file, {}).secret == SECRET
    with pytest.raises(BadRequest, match="operator's key"):
        gateway_address("http://there", None, {})
    with pytest.raises(BadRequest, match="cannot be read"):
        gateway_address("http://there", tmp_path / "nowhere", {})
    for wrong in ("there", "ftp://there", "http://", "http://me:word@there", "http://there?key=1"):
        with pytest.raises(BadRequest, match="no address"):
            gateway_address(wrong, None, {link.KEY: SECRET})


Answer = Callable[[httpx.Request], httpx.Response]


def heard(answer: Answer, until: Callable[[LiveMonitors], bool], monkeypatch: pytest.MonkeyPatch) -> LiveMonitors:
    """What is heard of a gateway that answers so, until something is so."""
    real = httpx.AsyncClient

    def client(**settings: Any) -> httpx.AsyncClient:
        return real(**settings, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(link.httpx, "AsyncClient", client)
    monkeypatch.setattr(link, "_WAITS", (0.0,))
    live = LiveMonitors("http://gateway", _drop, lambda _: NOTHING)

    async def following() -> None:
        task = asyncio.create_task(follow(GatewayAddress("http://gateway", SECRET), live))
        for _ in range(500):
            if until(live):
                break
            await asyncio.sleep(0.01)
        task.cancel()

    awaited(following())
    assert until(live), live.board()
    return live


def _drop(_: Alert) -> None:
    """Keeps nothing."""


def answering(events: str, *, is_operator: bool = True) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        match request.url.path:
            case "/metrics":
                return httpx.Response(200 if is_operator else 403)
            case "/ready":
                return httpx.Response(503, json={"canary_is_well": False})
            case "/v1/hooke/monitors":
                return httpx.Response(200, json={"monitors": [{"name": "m", "is_always": True}]})
            case _:
                return httpx.Response(200, text=events)

    return answer


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'kind': kind, **data})}\n\n"


def test_events_are_heard_and_what_makes_no_sense_is_counted(monkeypatch: pytest.MonkeyPatch):
    verdict = {"name": "m", "version": "v", "peak": 0.5, "level": "quiet"}
    events = (
        ": alive\n\n"
        + _event("began", request="req-1", n_prompt=3)
        + "event: scored\ndata: {no json\n\n"
        + _event("scored", request="req-1")
        + _event("ended", request="req-1", reason="length", n_new=1, verdicts=[verdict])
    )
    live = heard(answering(events), lambda live: live.board().n_requests >= 2, monkeypatch)
    board = live.board()
    assert board.n_lost >= 2
    assert [(one.name, one.watches) for one in board.rows] == [("m", "all")]
    assert SECRET not in repr(board)


def test_a_key_that_is_no_operators_is_told_and_nothing_looks_quiet(monkeypatch: pytest.MonkeyPatch):
    live = heard(answering("", is_operator=False), lambda live: bool(live.board().problem), monkeypatch)
    board = live.board()
    assert not board.is_heard
    assert "operator" in board.problem
    assert board.rows == ()


def test_a_gateway_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no route with {SECRET}")

    live = heard(refuse, lambda live: bool(live.board().problem), monkeypatch)
    assert live.board().problem == "The gateway does not answer (ConnectError)."
