"""Who may talk to the server: a browser that opened the printed link, on this machine, from the server's own pages.

A local server is in reach of every page that the user's browser has open. So the Host must be one of the server's own
names (DNS rebinding), a request that another site caused is refused (Origin, Sec-Fetch-Site), a write needs a header
that no form can send, and everything needs the cookie that a one-time link gives.
"""

import hmac
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hooke.lab import Lab
from hooke.server.problems import refuse

COOKIE = "hooke_session"
WRITE_HEADER = "x-hooke"
MAX_BODY = 4_000_000
"""Bytes of a request's body; texts and recipes are far smaller."""

SESSION_SECONDS = 30 * 24 * 3600
"""How long a browser is let in after it opened a link."""

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}
_SAFE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>hooke</title>
<h1>This microscope is locked</h1>
<p>Open the link that <code>hooke serve</code> printed in the terminal. It works once; the next start prints a new one.
"""


class Keys:
    """Links that were not opened yet, and the signature by which a browser that opened one is known again.

    A session is its time of issue, a random word and their signature, so that a restarted server that reads the same
    secret still knows the browsers of the one before.
    """

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)
        self._links: set[str] = set()

    def new_link(self) -> str:
        """A fresh token, good for one opening."""
        token = secrets.token_urlsafe(24)
        self._links.add(token)
        return token

    def open(self, token: str) -> str | None:
        """A new session for a token, which is spent by it; None for a wrong one."""
        link = next((one for one in self._links if secrets.compare_digest(one.encode(), token.encode())), None)
        if link is None:
            return None
        self._links.discard(link)
        return self._signed(f"{int(time.time())}.{secrets.token_hex(8)}")

    def knows(self, session: str) -> bool:
        """Whether a cookie's value is a session that has not run out."""
        body, _, _ = session.rpartition(".")
        if not secrets.compare_digest(self._signed(body).encode(), session.encode()):
            return False
        return time.time() - int(body.partition(".")[0]) < SESSION_SECONDS

    def _signed(self, body: str) -> str:
        return f"{body}.{hmac.new(self._secret, body.encode(), sha256).hexdigest()}"


def lab_secret(lab: Lab) -> bytes:
    """The secret that signs a lab's sessions, made at first; one for this process where the lab cannot be written."""
    path = lab.root / ".serve-key"
    with suppress(OSError):
        found = path.read_bytes()
        if len(found) == 32:
            return found
    secret = secrets.token_bytes(32)
    with suppress(OSError):
        lab.root.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
    return secret


class BodyTooLarge(Exception):
    """A body went on past the limit."""


class Access:
    """ASGI middleware that lets only the user's own browser in and says in every answer what a page may do."""

    def __init__(
        self, app: ASGIApp, *, keys: Keys, hosts: Iterable[str], max_body: int = MAX_BODY, root: str = "/"
    ) -> None:
        self._app, self._keys, self._max_body, self._root = app, keys, max_body, root
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers) or self._entry(scope) or self._session(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._limited(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = _host_name(headers.get("host", ""))
        if host not in self._hosts:
            return refuse(
                403,
                "wrong-host",
                "This server does not answer to that name.",
                f"Host {host!r:.80}.",
                "Use the address that hooke serve printed.",
            )
        origin = headers.get("origin")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api/"):
            return _foreign("another site")
        if origin is not None and urlsplit(origin).netloc != headers.get("host", ""):
            return _foreign(origin)
        if scope["method"] in _WRITES and WRITE_HEADER not in headers:
            return refuse(
                403,
                "no-write-header",
                "A request that changes something needs the header X-Hooke.",
                "It has none.",
                "Send X-Hooke: 1; browsers let only the server's own pages do that.",
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body:
            return self._too_large()
        return None

    def _entry(self, scope: Scope) -> Response | None:
        """The answer to an opened link: a cookie, and the same address without the token."""
        words = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in words if name == "token"), None)
        if token is None or scope["path"].startswith("/api/"):
            return None
        session = self._keys.open(token)
        if session is None:
            return None
        rest = urlencode([(name, value) for name, value in words if name != "token"])
        # A path of two slashes would lead to another host.
        address = self._root + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
        answer = RedirectResponse(address, status_code=303)
        answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", path=self._root)
        return answer

    def _session(self, scope: Scope, headers: Headers) -> Response | None:
        session = _cookie(headers)
        if session and self._keys.knows(session):
            scope["hooke_client"] = sha256(session.encode()).hexdigest()[:16]
            return None
        if scope["path"].startswith("/api/"):
            return refuse(
                401,
                "locked",
                "This browser has not opened the microscope.",
                "There is no session cookie that the server knows.",
                "Open the link that hooke serve printed in the terminal.",
            )
        return HTMLResponse(_LOCKED, status_code=401)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0
        has_begun = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body:
                raise BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal has_begun
            # Whoever parses the body may make an answer of its own out of the refusal; it is not sent.
            if taken > self._max_body and not has_begun:
                return
            has_begun = True
            await send(message)

        with suppress(BodyTooLarge):
            await self._app(scope, counted, watched)
        if taken > self._max_body and not has_begun:
            await self._too_large()(scope, receive, send)

    def _too_large(self) -> Response:
        answer = refuse(
            413,
            "body-too-large",
            "The body is too large.",
            f"At most {self._max_body:,} bytes are read.",
            "Send less; files are opened from the lab, not uploaded.",
        )
        # Else the connection would be kept, and the rest of the body read for it.
        answer.headers["connection"] = "close"
        return answer


def _foreign(origin: str) -> Response:
    return refuse(
        403,
        "foreign-origin",
        "Another site's page may not use this server.",
        f"The request comes from {origin!r:.80}.",
        "Open the microscope's own pages.",
    )


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _cookie(headers: Headers) -> str:
    for line in headers.getlist("cookie"):
        try:
            found = SimpleCookie(line).get(COOKIE)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return ""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
