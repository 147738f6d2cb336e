"""Refusals as problem+json (RFC 9457): what was asked, what was found, and what to do, never a traceback."""

import logging
from collections.abc import Mapping
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from hooke.errors import (
    BadArtefact,
    BadRequest,
    HookeError,
    LabBusy,
    OutOfSpace,
    PromptTooLong,
    ShapeMismatch,
    UnknownName,
    UnknownSite,
    UnsupportedModel,
)
from hooke.lab import FULL

MEDIA_TYPE = "application/problem+json"


class NoModel(HookeError):
    """An answer needs a model, and this server runs without one."""


class Problem(BaseModel):
    """Why a request was refused."""

    type: str
    """Which kind of refusal: a word that programs can tell apart."""
    title: str
    """What was asked for and could not be had."""
    status: int
    """The HTTP status."""
    detail: str
    """What was found."""
    hint: str
    """What to do about it."""
    trace_id: str
    """Number under which the server's log has it."""


# The first class that an error is an instance of gives its status and type.
_KINDS: tuple[tuple[type[HookeError], int, str], ...] = (
    (NoModel, 409, "no-model"),
    (UnknownName, 404, "unknown-name"),
    (UnknownSite, 404, "unknown-site"),
    (PromptTooLong, 422, "prompt-too-long"),
    (BadRequest, 400, "bad-request"),
    (LabBusy, 409, "lab-busy"),
    (OutOfSpace, 507, "out-of-space"),
    (UnsupportedModel, 422, "unsupported-model"),
    (ShapeMismatch, 422, "shape-mismatch"),
    (BadArtefact, 422, "damaged-artefact"),
    (HookeError, 422, "refused"),
)

RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in {
        400: "The request's words are wrong.",
        401: "This browser has not opened the server's link.",
        403: "The request comes from another site, or a write lacks its header.",
        404: "There is no such thing.",
        409: "It cannot be done now: no model, or another process is writing.",
        413: "The body is too large.",
        422: "The request or an artefact does not hold together.",
        503: "The lab cannot be read or written.",
        507: "The disk is full.",
    }.items()
}
"""What every route may answer instead of its result."""


def problem_of(error: Exception) -> Problem:
    """The refusal that an error stands for."""
    if isinstance(error, HookeError):
        status, kind = next((status, kind) for cls, status, kind in _KINDS if isinstance(error, cls))
        return _problem(status, kind, error.asked, error.found, error.do)
    if isinstance(error, OSError) and error.errno in FULL:
        return _problem(
            507,
            "out-of-space",
            "The disk is full.",
            f"{error.strerror}.",
            "Free some space and try again; what was finished is kept.",
        )
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return _problem(
            503,
            "lab-unavailable",
            "The lab could not be read or written.",
            f"{error.strerror or type(error).__name__}{where}.",
            "Check that the folder is there and may be written, then try again; the server keeps running.",
        )
    return _problem(
        500,
        "inside",
        "Something went wrong inside hooke.",
        type(error).__name__,
        "The server's terminal has the details under this number.",
    )


def refuse(status: int, kind: str, title: str, detail: str, hint: str) -> JSONResponse:
    """A refusal that is no error of hooke's."""
    return response_of(_problem(status, kind, title, detail, hint))


def response_of(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal as it is sent."""
    return JSONResponse(
        problem.model_dump(), status_code=problem.status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def _problem(status: int, kind: str, title: str, detail: str, hint: str) -> Problem:
    return Problem(type=kind, title=title, status=status, detail=detail, hint=hint, trace_id=uuid4().hex[:12])


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app a refusal."""

    @app.exception_handler(HookeError)
    @app.exception_handler(OSError)
    async def on_known(_: Request, error: Exception) -> JSONResponse:
        return response_of(problem_of(error))

    @app.exception_handler(Exception)
    async def on_unknown(_: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        # The traceback follows in the log: the framework raises the error again once this is sent.
        logging.getLogger("uvicorn.error").error("trace %s", problem.trace_id)
        return response_of(problem)

    @app.exception_handler(RequestValidationError)
    async def on_words(_: Request, error: RequestValidationError) -> JSONResponse:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
        return refuse(
            422,
            "wrong-words",
            "The request does not have the form that this address takes.",
            found,
            "See /api/openapi.json for what it takes.",
        )

    @app.exception_handler(HTTPException)
    async def on_status(_: Request, error: HTTPException) -> JSONResponse:
        kind = {404: "unknown-address", 405: "wrong-method"}.get(error.status_code, "refused")
        hint = "See /api/openapi.json for the addresses that there are."
        answer = _problem(error.status_code, kind, str(error.detail), "", hint)
        return response_of(answer, error.headers)
