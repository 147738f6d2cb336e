"""The microscope's server: routes by noun, the built pages, and what guards them."""

import asyncio
import gzip
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

import hooke
from hooke.lab import Lab
from hooke.monitors.alerts import AlertBook
from hooke.server.access import Access, Keys
from hooke.server.gateway_link import GatewayAddress, follow
from hooke.server.jobs import Jobs
from hooke.server.kinds import job_kinds
from hooke.server.live_monitors import LiveMonitors
from hooke.server.problems import RESPONSES, Problem, add_handlers, refuse
from hooke.server.residents import Residents
from hooke.server.routes import (
    alert_evidence,
    alerts,
    discovery,
    dose_response,
    features,
    graph_answers,
    graphs,
    heads,
    health,
    indexes,
    interactions,
    jobs,
    library,
    maps,
    models,
    monitors,
    panels,
    patching,
    path_patching,
    prompts,
    runs,
    search,
    steering,
)

STATIC = Path(__file__).parent / "static"
ROUTERS: tuple[APIRouter, ...] = (
    library.router,
    health.router,
    jobs.router,
    indexes.router,
    maps.router,
    search.router,
    features.router,
    panels.router,
    interactions.router,
    models.router,
    prompts.router,
    steering.router,
    dose_response.router,
    runs.router,
    graphs.router,
    graph_answers.router,
    patching.router,
    path_patching.router,
    discovery.router,
    heads.router,
    monitors.router,
    alerts.router,
    alert_evidence.router,
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

_FOREVER = "public, max-age=31536000, immutable"
_PACKED = {".js", ".css"}
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>hooke</title>
<h1>The pages are not built</h1>
<p>The server runs, its pages are missing. In the project's folder: <code>make web</code> (needs Node), then load again.
"""


def create_app(
    lab: Lab,
    *,
    keys: Keys | None = None,
    hosts: tuple[str, ...] = LOOPBACK,
    read_only: bool = False,
    model: str | None = None,
    static: Path = STATIC,
    root: str = "/",
    gateway: GatewayAddress | None = None,
) -> FastAPI:
    """The server of a lab. `keys` says which browsers are let in; without it a fresh one that knows none.

    `gateway` is followed as long as the server runs, and its monitors are shown at work.
    `root` is the folder under which browsers reach it, where a proxy takes that folder off the addresses.
    """
    app = FastAPI(
        title="hooke",
        version=hooke.__version__,
        description="What the microscope's pages ask. Errors are problem+json with a hint.",
        lifespan=_lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        responses={**RESPONSES, 422: {"model": Problem, **RESPONSES[422]}},
    )
    app.state.residents = Residents(lab, read_only=read_only, model=model)
    app.state.jobs = Jobs(lab, job_kinds())
    app.state.keys = keys or Keys()
    app.state.alerts = AlertBook(lab)
    app.state.live = LiveMonitors(
        "" if gateway is None else gateway.url, app.state.alerts.put, app.state.alerts.standing
    )
    app.state.gateway_address = gateway
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    _add_pages(app, static, root)
    app.add_middleware(Access, keys=app.state.keys, hosts=hosts, root=root)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    address = app.state.gateway_address
    following = None if address is None else asyncio.create_task(follow(address, app.state.live))
    yield
    if following is not None:
        following.cancel()
    app.state.jobs.close()
    app.state.residents.close()


def _operation_id(route: Any) -> str:
    return route.name


def _add_pages(app: FastAPI, static: Path, root: str) -> None:
    folder = static.resolve()

    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request) -> Response:
        if path.startswith("api/"):
            return refuse(404, "unknown-address", "There is no such address.", "", "See /api/openapi.json.")
        file = _inside(folder, path)
        if file is not None and path.startswith("assets/"):
            return _asset(file, request.headers.get("accept-encoding", ""))
        if file is not None:
            return FileResponse(file, headers={"cache-control": "no-cache"})
        index = folder / "index.html"
        if path.startswith("assets/") or not index.is_file():
            return HTMLResponse(_NOT_BUILT if not path.startswith("assets/") else "", status_code=404)
        # The page is the same at every depth of address, so that its links cannot be relative to that.
        text = index.read_text(encoding="utf-8").replace('"./', f'"{root}')
        return HTMLResponse(text, headers={"cache-control": "no-cache"})


def _asset(file: Path, accepted: str) -> Response:
    """A file whose name holds its hash: it never changes, so it is packed once and kept by the browser."""
    headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
    if file.suffix not in _PACKED or "gzip" not in accepted:
        return FileResponse(file, headers=headers)
    kind = mimetypes.types_map.get(file.suffix, "text/plain")
    return Response(_packed(file), media_type=kind, headers=headers | {"content-encoding": "gzip"})


@lru_cache(maxsize=128)
def _packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


def _inside(root: Path, path: str) -> Path | None:
    """The file of an address inside the folder of built pages, None where there is none."""
    try:
        file = (root / path).resolve()
        return file if path and file.is_relative_to(root) and file.is_file() else None
    except (ValueError, OSError):  # a null byte, or a name longer than any file's
        return None
