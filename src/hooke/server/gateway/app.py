"""The gateway as a server: its addresses, what guards them, and how it begins and ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

import hooke
from hooke.server.gateway.canary import EVERY
from hooke.server.gateway.connections import impatient
from hooke.server.gateway.front import Gateway
from hooke.server.gateway.guard import BODY_SECONDS, MAX_BODY, OPEN, Guard
from hooke.server.gateway.refusals import RESPONSES, add_handlers
from hooke.server.gateway.routes import router

GRACE = 30.0
"""Seconds that answers under way are given when the gateway is told to end."""
MAX_CONNECTIONS = 512


def create_gateway(
    gateway: Gateway,
    *,
    max_body: int = MAX_BODY,
    body_seconds: float = BODY_SECONDS,
    canary_every: float = EVERY,
) -> FastAPI:
    """The server of a gateway; `canary_every` 0 sends no canaries."""
    app = FastAPI(
        title="hooke gateway",
        version=hooke.__version__,
        description="OpenAI-compatible, with monitors and steering by registered name. Errors have OpenAI's shape.",
        lifespan=_lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={**RESPONSES, 422: {"description": "Never: such requests get 400."}},
    )
    app.state.gateway, app.state.canary_every = gateway, canary_every
    add_handlers(app)
    app.include_router(router)
    paths = frozenset({*OPEN, "/metrics", "/v1/chat/completions", "/v1/completions", "/v1/models", "/v1/hooke/events"})
    app.add_middleware(
        Guard, ring=gateway.ring, counts=gateway.counts, paths=paths, max_body=max_body, body_seconds=body_seconds
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    watching = None
    if app.state.canary_every:
        watching = asyncio.create_task(gateway.canary.watch(gateway.heard_canary, app.state.canary_every))
    yield
    if watching is not None:
        watching.cancel()
    gateway.close()


def _operation_id(route: Any) -> str:
    return route.name


class Server(uvicorn.Server):
    """uvicorn's, which lets answers under way end before it does."""

    def __init__(
        self, app: FastAPI, *, grace: float = GRACE, head_seconds: float = 10.0, write_seconds: float = 60.0
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=impatient(head_seconds=head_seconds, write_seconds=write_seconds),
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=max(1, round(grace)),
                limit_concurrency=MAX_CONNECTIONS,
                server_header=False,
                proxy_headers=False,
            )
        )
        self._gateway: Gateway = app.state.gateway

    async def shutdown(self, sockets: Any = None) -> None:
        """Take no more requests, let those under way end, and end the streams that never do by themselves."""
        self._gateway.is_closing = True
        self._gateway.feed.close()
        await super().shutdown(sockets)
