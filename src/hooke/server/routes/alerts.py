"""Monitors at work: what a gateway's say of its traffic now, alerts that were kept, and what people make of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from hooke.lab import Lab
from hooke.monitors.alerts import Alert, AlertBook, Opinion, Review
from hooke.monitors.audit_text import KeptText, kept_text
from hooke.monitors.drift import Shift, shift
from hooke.monitors.results import load_result
from hooke.monitors.spec import load_spec
from hooke.monitors.traffic import Reference
from hooke.server.live_monitors import Board, Heard, LiveMonitors
from hooke.server.residents import ResidentsHere
from hooke.server.streams import event_response

router = APIRouter(prefix="/api/alerts", tags=["alerts"])

_EVERY = 0.1
"""Seconds between two messages of a stream."""
_BOARD = 1.0
"""Seconds between two that say how all monitors stand."""
_MOST = 100
"""Verdicts in one message; older ones are counted instead."""
_FIRST = 200
"""Verdicts in the first."""
_DRIFT = 30
"""Peaks below which nothing is said of a shift."""


class LiveMessage(BaseModel):
    """One message of the live stream."""

    board: Board | None
    """How all stand; null where that was said less than a second ago."""
    verdicts: list[Heard]
    """What was heard since the message before, oldest first."""
    dropped: int
    """Verdicts that were left out, since there were too many."""


class AlertList(BaseModel):
    """Alerts, newest first."""

    items: list[Alert]
    """Without the scores of their tokens."""
    next: str | None
    """Always null: the newest are given."""
    total: int
    """How many are given."""
    reviews: list[Review]
    """What was said of them."""


class AlertDetail(BaseModel):
    """One alert."""

    alert: Alert
    """It."""
    reviews: list[Review]
    """What was said of it, by monitor."""
    text: str | None
    """The text around the token, where the monitor's action is to log it and the gateway's log is in this lab."""
    text_of: str
    """The monitor whose action that is; empty where there is no text."""


class ReviewBody(BaseModel):
    """What somebody makes of a monitor's finding."""

    monitor: Annotated[str, Field(max_length=100)]
    """Whose finding."""
    opinion: Opinion
    """right, wrong or unsure."""
    note: Annotated[str, Field(max_length=4000)] = ""
    """Why."""
    by: Annotated[str, Field(max_length=100)] = ""
    """Who says so."""


class DriftOut(BaseModel):
    """How traffic scores now, beside the calibration's."""

    n: int
    """Peaks of now: the latest that were heard."""
    n_reference: int
    """Peaks of the calibration."""
    shift: Shift | None
    """How they differ; null below 30 peaks, or without a calibration. It has no error rate."""
    peaks: list[float]
    """Those of now."""


def live_of(request: Request) -> LiveMonitors:
    """What the server that answers this request hears."""
    return request.app.state.live


def book_of(request: Request) -> AlertBook:
    """The alerts that it keeps."""
    return request.app.state.alerts


LiveHere = Annotated[LiveMonitors, Depends(live_of)]
BookHere = Annotated[AlertBook, Depends(book_of)]


@router.get("")
def list_alerts(book: BookHere, monitor: str = "", n: Annotated[int, Query(ge=1, le=1000)] = 100) -> AlertList:
    """The newest alerts; of one monitor, where it is named."""
    items = book.latest(n, monitor=monitor)
    return AlertList(
        items=[_short(one) for one in items],
        next=None,
        total=len(items),
        reviews=[review for one in items for review in book.reviews_of(one.id)],
    )


@router.get("/board")
def live_board(live: LiveHere) -> LiveMessage:
    """How all monitors stand now, with the latest verdicts."""
    verdicts, dropped = live.after(max(0, live.n - _FIRST), _FIRST)
    return LiveMessage(board=live.board(), verdicts=verdicts, dropped=dropped)


@router.get("/live", response_class=StreamingResponse)
async def follow_live(live: LiveHere) -> StreamingResponse:
    """Server-sent events 'live' (see LiveMessage): at most ten a second, whatever the traffic."""
    return event_response(_messages(live))


@router.get("/drift")
def live_drift(monitor: str, here: ResidentsHere, live: LiveHere) -> DriftOut:
    """How the latest peaks of a monitor differ from those of its calibration."""
    spec, reference = load_spec(here.lab, monitor), load_result(here.lab, monitor, "traffic", Reference)
    now = live.peaks(monitor)
    levels = {name: one for name, one in (("watch", spec.watch), ("act", spec.act)) if one is not None}
    is_told = reference is not None and len(now) >= _DRIFT
    return DriftOut(
        n=len(now),
        n_reference=0 if reference is None else reference.n,
        shift=shift(reference.known(), now, levels) if reference is not None and is_told else None,
        peaks=now,
    )


@router.get("/{alert}")
def get_alert(alert: str, book: BookHere, here: ResidentsHere) -> AlertDetail:
    """One alert, with the scores of its tokens."""
    found = book.find(alert)
    kept = text_of(here.lab, found)
    return AlertDetail(
        alert=found,
        reviews=book.reviews_of(alert),
        text=None if kept is None else kept.text,
        text_of="" if kept is None else kept.monitor,
    )


@router.post("/{alert}/reviews", status_code=201)
def review_alert(alert: str, body: ReviewBody, book: BookHere) -> AlertDetail:
    """Say whether a monitor was right; what was said of the same finding before is replaced."""
    book.add(Review(alert=alert, time=time.time(), **body.model_dump()))
    return AlertDetail(alert=book.find(alert), reviews=book.reviews_of(alert), text=None, text_of="")


def text_of(lab: Lab, alert: Alert) -> KeptText | None:
    """The text that is kept of an alert, if any.

    Raises:
        BadArtefact: it was changed.
    """
    is_logged = any(one.action == "log" and one.act_at is not None for one in alert.fired)
    return kept_text(lab.path("audits", "gateway"), alert.id) if is_logged else None


def _short(alert: Alert) -> Alert:
    return replace(alert, fired=tuple(replace(one, positions=(), scores=()) for one in alert.fired))


async def _messages(live: LiveMonitors) -> AsyncIterator[tuple[str, Any]]:
    seen, told = max(0, live.n - _FIRST), 0.0
    most = _FIRST
    while True:
        verdicts, dropped = live.after(seen, most)
        seen, most = seen + len(verdicts) + dropped, _MOST
        is_time = time.monotonic() - told >= _BOARD
        if is_time:
            told = time.monotonic()
        if is_time or verdicts:
            board = await asyncio.to_thread(live.board) if is_time else None
            yield "live", LiveMessage(board=board, verdicts=verdicts, dropped=dropped)
        await asyncio.sleep(_EVERY)
