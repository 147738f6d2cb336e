"""Refusals in the shape that OpenAI's clients know: {"error": {"message", "type", "param", "code"}}."""

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from hooke.errors import BadRequest, HookeError, PromptTooLong, UnknownName
from hooke.server.gateway.speech import EngineClosed, EngineFull
from hooke.server.problems import problem_of

_LOG = logging.getLogger("hooke.gateway")


class Forbidden(HookeError):
    """A key may not do this."""


class TooOften(HookeError):
    """A key asks more often than it may."""

    def __init__(self, asked: str, found: str = "", do: str = "", seconds: float = 1.0) -> None:
        super().__init__(asked, found, do)
        self.seconds = seconds


class Unsupported(BadRequest):
    """A field that OpenAI's clients know and this server does not."""

    def __init__(self, param: str) -> None:
        super().__init__(f"'{param}' is not supported here.", "", "Leave it out.")
        self.param = param


class Detail(BaseModel):
    """What is wrong."""

    message: str
    """What was asked, what was found, and what to do."""
    type: str
    """Which kind of error."""
    param: str | None = None
    """The field that it is about."""
    code: str | None = None
    """A word that programs can tell errors apart by."""


class Refusal(BaseModel):
    """A refusal."""

    error: Detail


# The first class that an error is an instance of gives its status, type and code.
_KINDS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (EngineFull, 429, "rate_limit_error", "engine_overloaded"),
    (TooOften, 429, "rate_limit_error", "rate_limit_exceeded"),
    (EngineClosed, 503, "server_error", "shutting_down"),
    (Forbidden, 403, "permission_error", "not_permitted"),
    (PromptTooLong, 400, "invalid_request_error", "context_length_exceeded"),
    (Unsupported, 400, "invalid_request_error", "unsupported_parameter"),
    (UnknownName, 404, "invalid_request_error", "not_found"),
    (BadRequest, 400, "invalid_request_error", "bad_request"),
)

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text}
    for status, text in {
        400: "The request's words are wrong, or ask for what this server cannot do.",
        401: "No key, or one that is not known.",
        403: "The key may not do this.",
        404: "There is no such model, monitor or recipe.",
        405: "The address is asked another way.",
        408: "The request did not come in time.",
        413: "The body is too large.",
        429: "Too many requests; Retry-After says when to try again.",
        500: "Something went wrong inside.",
        503: "The server is ending, or cannot read or write its lab.",
    }.items()
}
"""What every address may answer instead of its result."""


def refusal_of(error: Exception) -> JSONResponse:
    """The refusal that an error stands for."""
    for kind, status, name, code in _KINDS:
        if isinstance(error, kind):
            headers = {}
            if status == 429:
                headers["retry-after"] = str(max(1, math.ceil(getattr(error, "seconds", 1.0))))
            param = getattr(error, "param", None)
            return refuse(status, str(error), kind=name, param=param, code=code, headers=headers)
    problem = problem_of(error)
    status = 500 if problem.status < 500 else problem.status
    message = " ".join(part for part in (problem.title, problem.hint) if part)
    return refuse(status, message, kind="server_error", code=problem.type)


def refuse(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A refusal as it is sent."""
    detail = Detail(message=message, type=kind, param=param, code=code)
    return JSONResponse(Refusal(error=detail).model_dump(), status_code=status, headers=dict(headers or {}))


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app a refusal."""

    @app.exception_handler(HookeError)
    @app.exception_handler(OSError)
    async def on_known(_: Request, error: Exception) -> JSONResponse:
        return refusal_of(error)

    @app.exception_handler(Exception)
    async def on_unknown(_: Request, error: Exception) -> JSONResponse:
        _LOG.error("an answer failed", extra={"fields": {"error": type(error).__name__}})
        return refusal_of(error)

    @app.exception_handler(RequestValidationError)
    async def on_words(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        param = ".".join(str(one) for one in first["loc"] if one != "body") or None
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        return refuse(400, f"The request was not understood: {found}.", param=param, code="invalid_value")

    @app.exception_handler(HTTPException)
    async def on_status(_: Request, error: HTTPException) -> JSONResponse:
        code = {404: "unknown_url", 405: "wrong_method"}.get(error.status_code)
        return refuse(error.status_code, str(error.detail), code=code, headers=error.headers)
