"""What every request passes first: its key, the size of its body and the time it takes; and what is logged of it."""

import asyncio
import logging
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hooke.errors import HookeError
from hooke.server.gateway.keys import Key, Ring
from hooke.server.gateway.logs import log
from hooke.server.gateway.metrics import Counts
from hooke.server.gateway.refusals import refusal_of, refuse

MAX_BODY = 1_000_000
"""Bytes of a request's body: several times the text that fits a context."""
BODY_SECONDS = 20.0
OPEN = ("/health", "/ready")
"""What anybody may ask."""
REQUEST_HEADER = "x-hooke-request-id"
_SAFE_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class BadBody(Exception):
    """A body that is not taken; its refusal is the argument."""


class Guard:
    """ASGI middleware that lets in who has a key, with a whole body of bounded size."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        ring: Ring,
        counts: Counts,
        paths: frozenset[str],
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._ring, self._counts, self._paths = app, ring, counts, paths
        self._max_body, self._body_seconds = max_body, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request, began, status = f"req-{uuid4().hex}", time.perf_counter(), 0
        scope["hooke_request"] = request

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers[REQUEST_HEADER] = request
                for name, value in _SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, receive, sending)
        except Exception:
            status = status or 500
            raise
        finally:
            key: Key | None = scope.get("hooke_key")
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._counts.requests.labels(path, str(status)).inc()
            log(
                "request",
                logging.INFO if status < 500 else logging.ERROR,
                request=request,
                key=key.name if key else None,
                method=scope["method"],
                path=path,
                status=status,
                seconds=round(time.perf_counter() - began, 4),
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is None and scope["method"] in ("POST", "PUT", "PATCH"):
            try:
                receive = _replayed(await self._body(receive), receive)
            except BadBody as bad:
                (refusal,) = bad.args
                # Else the connection would be kept, and the rest of the body read for it.
                refusal.headers["connection"] = "close"
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["path"] in OPEN:
            return None
        headers = Headers(scope=scope)
        word, _, secret = headers.get("authorization", "").partition(" ")
        try:
            key = self._ring.find(secret.strip()) if word.lower() == "bearer" else None
        except (HookeError, OSError) as error:
            return refusal_of(error)
        if key is None:
            return refuse(
                401,
                "This needs a key: Authorization: Bearer hk-... Make one with `hooke gateway key add NAME`.",
                kind="authentication_error",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer", "connection": "close"},
            )
        scope["hooke_key"] = key
        length = headers.get("content-length", "0")
        return self._too_large() if not length.isdecimal() or int(length) > self._max_body else None

    async def _body(self, receive: Receive) -> bytes:
        parts, n = [], 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise BadBody(Response(status_code=400))
                    parts.append(message.get("body", b""))
                    n += len(parts[-1])
                    if n > self._max_body:
                        raise BadBody(self._too_large())
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            refusal = refuse(408, f"The body was not here after {self._body_seconds:g} s.", code="timeout")
            raise BadBody(refusal) from None

    def _too_large(self) -> Response:
        answer = refuse(413, f"The body is too large: at most {self._max_body:,} bytes are read.", code="too_large")
        answer.headers["connection"] = "close"
        return answer


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The whole body as one message, and after it what comes by itself: that the client has left."""
    is_new = True

    async def once() -> Message:
        nonlocal is_new
        if is_new:
            is_new = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return once
