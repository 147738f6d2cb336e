"""The gateway's addresses: OpenAI's, and beside them hooke's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from hooke.errors import HookeError, UnknownName
from hooke.server.gateway.answers import Form, Kind, headers_of
from hooke.server.gateway.asks import Ended, Event, Failed, Spoke
from hooke.server.gateway.front import Gateway, Hearing
from hooke.server.gateway.keys import Key
from hooke.server.gateway.logs import plain
from hooke.server.gateway.metrics import MEDIA_TYPE
from hooke.server.gateway.refusals import Forbidden, refusal_of
from hooke.server.gateway.words import ChatBody, TextBody
from hooke.server.streams import event_response

router = APIRouter()


def gateway_of(request: Request) -> Gateway:
    """What the gateway that answers this request has open."""
    return request.app.state.gateway


def key_of(request: Request) -> Key:
    """Whose request it is."""
    return request.scope["hooke_key"]


def operator_of(request: Request) -> Key:
    """The key of a request that only operators may make.

    Raises:
        Forbidden: it is no operator's.
    """
    key = key_of(request)
    if not key.is_operator:
        raise Forbidden(
            f"The key '{key.name}' is no operator's.", "", "Make one with `hooke gateway key add --operator`."
        )
    return key


Here = Annotated[Gateway, Depends(gateway_of)]
Asker = Annotated[Key, Depends(key_of)]
Operator = Annotated[Key, Depends(operator_of)]


class Gone(Exception):
    """The client has left."""


@router.post("/v1/chat/completions", response_model=None)
async def chat(body: ChatBody, request: Request, here: Here, key: Asker) -> Response:
    """Go on with a conversation."""
    return await _answered("chat", body, request, here, key)


@router.post("/v1/completions", response_model=None)
async def complete(body: TextBody, request: Request, here: Here, key: Asker) -> Response:
    """Go on with a text."""
    return await _answered("text", body, request, here, key)


@router.get("/v1/models")
def list_models(here: Here) -> dict[str, Any]:
    """The model that is served."""
    return {"object": "list", "data": [_model(here)]}


@router.get("/v1/models/{name}")
def get_model(name: str, here: Here) -> dict[str, Any]:
    """The same, by its name."""
    if name != here.model.name:
        raise UnknownName(f"There is no model '{name:.80}' here.", "", f"This gateway serves '{here.model.name}'.")
    return _model(here)


@router.get("/v1/hooke/monitors")
def list_monitors(here: Here, key: Asker) -> dict[str, Any]:
    """Monitors that watch every request, and those that this key may ask for."""
    return plain(
        {
            "monitors": [
                {
                    "name": name,
                    "about": one.spec.about,
                    "sites": [str(site) for site in one.sites],
                    "is_always": name in here.always,
                    "watch": None if key.hides_verdicts else one.spec.watch,
                    "act": None if key.hides_verdicts else one.spec.act,
                    "action": one.spec.action.do,
                    "on_error": one.spec.on_error,
                    "warnings": [] if key.hides_verdicts else list(map(asdict, here.standing[name])),
                }
                for name, one in here.monitors.items()
                if name in here.always or key.may_monitor(name)
            ]
        }
    )


@router.get("/v1/hooke/steering")
def list_steering(here: Here, key: Asker) -> dict[str, Any]:
    """Recipes that this key may steer by, with their bounds and what strength 1 does to the stream's length."""
    return plain(
        {
            "steering": [
                {
                    "name": name,
                    "low": max(one.low, -key.max_strength),
                    "high": min(one.high, key.max_strength),
                    "dose": one.dose,
                }
                for name, one in here.recipes.items()
                if key.may_steer(name)
            ]
        }
    )


@router.get("/v1/hooke/events", response_model=None)
async def events(here: Here, key: Asker) -> Response:
    """What happens to requests, as it happens: one's own, and for an operator everybody's."""
    if key.hides_verdicts and not key.is_operator:
        raise Forbidden(f"The key '{key.name}' may not see what monitors find.", "", "Ask the operator.")
    return event_response(here.feed.read(key.name, lambda owner: key.is_operator or owner == key.name))


@router.get("/health")
def health(here: Here, response: Response) -> dict[str, Any]:
    """Whether the process works."""
    response.status_code = 200 if here.engine.is_alive else 503
    return {"is_alive": here.engine.is_alive}


@router.get("/ready")
def ready(here: Here, response: Response) -> dict[str, Any]:
    """Whether requests may come: not while it ends, nor while a monitor does not see what it must."""
    is_ready = here.engine.is_alive and here.canary.is_well and not here.is_closing
    response.status_code = 200 if is_ready else 503
    return {"is_ready": is_ready, "is_closing": here.is_closing, "canary_is_well": here.canary.is_well}


@router.get("/metrics", response_model=None)
def metrics(here: Here, _: Operator) -> Response:
    """Numbers for Prometheus."""
    counts = here.counts
    counts.running.set(here.engine.n_running)
    counts.waiting.set(here.engine.n_waiting)
    counts.monitor_seconds.set(here.engine.gauge.seconds_in_monitors)
    return Response(counts.page(), media_type=MEDIA_TYPE)


def _model(here: Gateway) -> dict[str, Any]:
    return {"id": here.model.name, "object": "model", "created": 0, "owned_by": "hooke"}


async def _answered(kind: Kind, body: ChatBody | TextBody, request: Request, here: Gateway, key: Key) -> Response:
    here.begin_turn(key)
    try:
        prepared = await here.prepare(body, key)
        hearing = Hearing(here, request.scope["hooke_request"], key, prepared)
    except BaseException:
        here.rates.give_back(key)
        raise
    gone = asyncio.ensure_future(_left(request))
    turn = _Turn(hearing, gone)
    try:
        await hearing.record_begin()
        hearing.begin()
        # The prompt is read and scored before anything is sent, so that the head can say what was found.
        await turn.next()
        if body.stream:
            wants_usage = bool(body.stream_options and body.stream_options.include_usage)
            return _Streamed(_lines(kind, turn, wants_usage=wants_usage), turn)
        answer = await _collected(kind, turn)
    except Gone:
        answer = Response(status_code=499)
    except BaseException:
        await turn.end()
        raise
    await turn.end()
    return answer


async def _left(request: Request) -> None:
    """Returns once the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


@dataclass(eq=False)
class _Turn:
    """A request under way, and whether its client is still there."""

    hearing: Hearing
    gone: "asyncio.Future[None]"

    async def next(self) -> Event:
        """The next event.

        Raises:
            Gone: the client has left.
            Exception: what the engine failed with.
        """
        waited = asyncio.ensure_future(self.hearing.next())
        try:
            await asyncio.wait({waited, self.gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waited.done():
                waited.cancel()
        if waited.cancelled() or not waited.done():
            raise Gone
        event = waited.result()
        if isinstance(event, Failed):
            raise event.error
        return event

    async def end(self) -> None:
        """Whatever became of it: the engine drops it, the key may ask again, and the log has its end."""
        self.hearing.close()
        self.gone.cancel()
        self.hearing.gateway.rates.give_back(self.hearing.key)
        with suppress(HookeError, OSError):
            await self.hearing.record_end()


async def _collected(kind: Kind, turn: _Turn) -> Response:
    text, said = "", []
    while not isinstance(event := await turn.next(), Ended):
        if isinstance(event, Spoke):
            text += event.text
            said.extend(event.said)
    await turn.hearing.record_end()
    return JSONResponse(Form(kind, turn.hearing).whole(text, said, event), headers=headers_of(turn.hearing))


async def _lines(kind: Kind, turn: _Turn, *, wants_usage: bool) -> AsyncIterator[str]:
    """The events of a streamed answer; a failure on the way is the last of them."""
    form = Form(kind, turn.hearing)
    if kind == "chat":
        yield _line(form.chunk("", (), is_first=True))
    try:
        while not isinstance(event := await turn.next(), Ended):
            if isinstance(event, Spoke) and (event.text or turn.hearing.prepared.ask.top is not None):
                yield _line(form.chunk(event.text, event.said))
        await turn.hearing.record_end()
    except (HookeError, OSError, RuntimeError, MemoryError) as error:
        yield f"data: {bytes(refusal_of(error).body).decode()}\n\n"
        return
    yield _line(form.last(event))
    if wants_usage:
        yield _line(form.numbers(event))
    yield "data: [DONE]\n\n"


def _line(data: dict[str, Any]) -> str:
    return f"data: {to_json(data).decode()}\n\n"


class _Streamed(StreamingResponse):
    """An answer in chunks, which ends with its client; nothing of the request stays behind, however it ends."""

    def __init__(self, lines: AsyncIterator[str], turn: _Turn) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no", **headers_of(turn.hearing)}
        super().__init__(lines, media_type="text/event-stream", headers=headers)
        self._turn = turn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        sending = asyncio.ensure_future(self.stream_response(send))
        try:
            await asyncio.wait({sending, self._turn.gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                with suppress(Gone):
                    sending.result()
        finally:
            sending.cancel()
            await self._turn.end()
