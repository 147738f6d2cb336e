"""The microscope as a reader of a gateway: it follows the side stream, and begins anew when that breaks.

The operator's key stays here: it is sent to the gateway alone, and is in no answer, log or error.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic_core import from_json

from hooke.errors import BadRequest
from hooke.server.live_monitors import LiveMonitors

KEY = "HOOKE_GATEWAY_KEY"
"""Environment variable of the operator's key."""
_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before a broken stream is followed again, longer each time."""
_READ = 40.0
"""Seconds without a line after which a stream is broken; the gateway gives a sign of life every 15."""
_KEPT = ("rose", "ended", "failed")
"""Events of which something may be written to the disk."""
_LOOK = 15.0
"""Seconds between two looks at whether the gateway is ready."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where a gateway is, and the key by which everybody's events are read."""

    url: str
    """Its address without /v1."""
    secret: str = field(repr=False)
    """The operator's key."""


class _Refused(Exception):
    """The gateway does not let this reader in."""


def gateway_address(url: str, key_file: Path | None, environment: Mapping[str, str] = os.environ) -> GatewayAddress:
    """The gateway at an address, with the key of a file or of the environment.

    Raises:
        BadRequest: the address is none, or there is no key.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo or parts.query:
        raise BadRequest("This is no address of a gateway.", "", "Give one such as --gateway http://127.0.0.1:7346")
    try:
        secret = key_file.read_text(encoding="utf-8") if key_file is not None else environment.get(KEY, "")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"The key file '{key_file}' cannot be read.", f"{type(error).__name__}.", "") from None
    if not secret.strip() or not secret.strip().isascii():
        raise BadRequest(
            "The gateway's events are for an operator's key.",
            "There is none." if not secret.strip() else "What was given is no key.",
            f"Make one with `hooke gateway key add NAME --operator`, and set {KEY} or give --gateway-key-file.",
        )
    return GatewayAddress(str(parts).rstrip("/").removesuffix("/v1"), secret.strip())


async def follow(address: GatewayAddress, live: LiveMonitors) -> None:
    """Hear a gateway until cancelled."""
    headers = {"authorization": f"Bearer {address.secret}"}
    n_failed = 0
    while True:
        async with httpx.AsyncClient(
            base_url=address.url, headers=headers, timeout=httpx.Timeout(10.0, read=_READ), trust_env=False
        ) as client:
            looking = asyncio.create_task(_look(client, live))
            try:
                await _connect(client, live)
                n_failed = 0
                await _hear(client, live)
                why = "The gateway ended its stream."
            except _Refused as refused:
                why = str(refused)
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                why = f"The gateway does not answer ({type(error).__name__})."
            finally:
                looking.cancel()
        await asyncio.to_thread(live.broke, why)
        await asyncio.sleep(_WAITS[min(n_failed, len(_WAITS) - 1)])
        n_failed += 1


async def _connect(client: httpx.AsyncClient, live: LiveMonitors) -> None:
    # Only operators read the metrics; of another key the stream would be its own requests alone, and look quiet.
    answer = await client.get("/metrics")
    if answer.status_code in (401, 403):
        raise _Refused("The gateway does not take this key for an operator's.")
    answer = await client.get("/v1/hooke/monitors")
    if answer.status_code != 200:
        raise _Refused(f"The gateway answers with {answer.status_code}.")
    live.connected({str(one["name"]): bool(one["is_always"]) for one in answer.json()["monitors"]})


async def _hear(client: httpx.AsyncClient, live: LiveMonitors) -> None:
    async with client.stream("GET", "/v1/hooke/events") as answer:
        if answer.status_code != 200:
            raise _Refused(f"The gateway answers with {answer.status_code}.")
        kind = ""
        async for line in answer.aiter_lines():
            live.alive()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                # An alert waits for the disk, and pages must not wait for that; scores are too many to hand on.
                await asyncio.to_thread(_take, live, kind, data) if kind in _KEPT else _take(live, kind, data)


def _take(live: LiveMonitors, kind: str, data: str) -> None:
    try:
        live.hear(kind, from_json(data))
    except (ValueError, KeyError, TypeError, AttributeError):
        live.lost(1)


async def _look(client: httpx.AsyncClient, live: LiveMonitors) -> None:
    while True:
        # That the gateway has gone is told by the stream itself.
        with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
            live.canary(bool((await client.get("/ready")).json()["canary_is_well"]))
        await asyncio.sleep(_LOOK)
