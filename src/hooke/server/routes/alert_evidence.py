"""What stands beside an alert: the features at the token, where the text was kept, and other alerts that ran alike."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from hooke.errors import BadArtefact, UnknownName
from hooke.features.at_token import AtToken, at_token, token_at
from hooke.features.query import Index
from hooke.models.model import Model
from hooke.monitors.alerts import LATEST, Opinion
from hooke.monitors.alike_alerts import alike
from hooke.server.residents import ClientHere, Residents, ResidentsHere
from hooke.server.routes.alerts import BookHere, text_of
from hooke.server.routes.indexes import index_names

router = APIRouter(prefix="/api/alerts/{alert}", tags=["alerts"])

_MOST = 4
"""Dictionaries that are read."""


class FiredIn(BaseModel):
    """A dictionary's features at the token."""

    dictionary: str
    """Name of its index."""
    n_active: int
    """How many fire there."""
    features: list[AtToken]
    """Those that fire most, strongest first."""


class AlertFeatures(BaseModel):
    """The features at the token at which a monitor acted."""

    why_none: str
    """Why nothing is told; empty where something is."""
    monitor: str = ""
    """The monitor."""
    token: str = ""
    """The token."""
    n_tokens: int = 0
    """Tokens of the text that was read."""
    dictionaries: list[FiredIn] = []
    """By dictionary with an index of the model that was served."""
    n_left_out: int = 0
    """More of them, which were not read."""


class NearAlert(BaseModel):
    """An alert whose scores ran alike."""

    id: str
    """Its request."""
    time: float
    """When it began, in seconds since 1970."""
    level: str
    """The highest level that the monitor reached."""
    peak: float | None
    """Its largest score."""
    distance: float
    """Root mean square of the two profiles' differences."""
    n: int
    """Places that both profiles have."""
    opinion: Opinion | None
    """What somebody made of it; None where nobody looked."""


class AlertNeighbours(BaseModel):
    """Other alerts of a monitor, nearest first."""

    items: list[NearAlert]
    """The nearest."""
    n: int
    """Alerts that were compared."""
    median: float | None
    """Median distance of all of these."""
    n_other: int
    """Alerts left out, since the monitor was another then."""
    n_short: int
    """Alerts left out, since too few of their scores were heard."""


@router.get("/features")
async def alert_features(
    alert: str, book: BookHere, here: ResidentsHere, client: ClientHere, n: Annotated[int, Query(ge=1, le=50)] = 8
) -> AlertFeatures:
    """The features that fire most at the token at which a monitor acted; this runs the model on the kept text."""
    kept = text_of(here.lab, book.find(alert))
    if kept is None:
        return AlertFeatures(why_none="No text is kept of this request, so that no feature can be read.")
    if kept.at is None or not kept.model:
        return AlertFeatures(why_none="The log is of before it was kept where in the text the token is.")
    indexes = _indexes(here, kept.model)
    if not indexes:
        return AlertFeatures(why_none=f"No dictionary with an index is here for the model '{kept.model}'.")
    text, at, read = kept.text, kept.at, indexes[:_MOST]

    def work(model: Model) -> AlertFeatures:
        place = token_at(model, text, at)
        if place is None:
            return AlertFeatures(why_none="The kept text begins or is parted so that the token is not found in it.")
        raws = [one.raw_reading(model, text, dictionary=here.dictionary(one.manifest.dictionary)) for one in read]
        return AlertFeatures(
            why_none="",
            monitor=kept.monitor,
            token=read[0].vocabulary.texts(raws[0].tokens.tolist())[place],
            n_tokens=len(raws[0].tokens),
            dictionaries=[
                FiredIn(
                    dictionary=index.manifest.name,
                    n_active=int((raw.values[place] > 0).sum()),
                    features=list(at_token(index, raw, place, n)),
                )
                for index, raw in zip(read, raws, strict=True)
            ],
            n_left_out=len(indexes) - len(read),
        )

    return await here.with_model(kept.model, client, work)


@router.get("/neighbours")
def alert_neighbours(
    alert: str, monitor: str, book: BookHere, n: Annotated[int, Query(ge=1, le=50)] = 5
) -> AlertNeighbours:
    """Other alerts of a monitor whose scores ran most alike around the token at which it rose."""
    own = book.find(alert)
    if monitor not in {one.monitor for one in own.fired}:
        raise UnknownName(f"'{monitor:.80}' did not fire there.", "", "Name a monitor that did.")
    found = alike(own, monitor, book.latest(LATEST, monitor=monitor), n)
    return AlertNeighbours(
        items=[
            NearAlert(
                id=one.alert.id,
                time=one.alert.time,
                level=one.fired.level,
                peak=one.fired.peak,
                distance=one.distance,
                n=one.n,
                opinion=next((it.opinion for it in book.reviews_of(one.alert.id) if it.monitor == monitor), None),
            )
            for one in found.nearest
        ],
        n=found.n,
        median=found.median,
        n_other=found.n_other,
        n_short=found.n_short,
    )


def _indexes(here: Residents, model: str) -> list[Index]:
    found: list[Index] = []
    for name in index_names(here.lab):
        with suppress(BadArtefact):  # a damaged one is told of in the library
            index = here.index(name)
            found += [index] if index.manifest.model == model else []
    return found
