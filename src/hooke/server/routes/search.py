"""Features by words, meaning, a text that fires them, a token that they move, or the text of their examples."""

import time
from contextlib import suppress
from typing import Annotated, Literal

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from hooke.errors import BadRequest, HookeError
from hooke.features.labels import Label, search_terms
from hooke.features.meaning import keep_embedding, needs_embedding
from hooke.features.query import Index
from hooke.features.reading import RawReading
from hooke.features.search import (
    Found,
    Mode,
    Shown,
    TextSort,
    around_peak,
    by_text,
    example_of,
    matching_words,
    named_feature,
    recalled,
    remember,
    search,
    shown,
    spans_of,
)
from hooke.server.residents import Residents
from hooke.server.routes.features import (
    MAX_TEXT,
    Client,
    Here,
    Hidden,
    LabelFacts,
    cursor_after,
    label_facts,
    place_of,
    read_raw,
    rounded,
)

router = APIRouter(prefix="/api/dictionaries/{dictionary}", tags=["search"])

DEFAULT_DENSITY = 0.01
"""Features that fire on more tokens than this are hidden by a search unless asked for."""


class HitDetail(BaseModel):
    """Why a feature was found. Which fields are filled depends on `kind`."""

    kind: Mode
    """The mode that found it."""
    spans: list[tuple[int, int]] = []
    """words: where the label has the words, as [start, end) in characters."""
    words: list[str] = []
    """words: matching words of the examples, where the label does not have them."""
    value: float | None = None
    """meaning: cosine; text: what it is sorted by; token: standardised effect; examples: examples with the phrase."""
    token: str = ""
    """token: the token that it moves, as it is written."""
    direction: Literal["promoted", "suppressed"] | None = None
    """token: which way."""
    tokens: list[str] = []
    """text, examples: the text around the strongest token."""
    values: list[float] = []
    """text, examples: the feature's activation on each of these tokens."""


class SearchHit(LabelFacts):
    """A feature that a search found, with the label that was found, else its best one."""

    feature: int
    """Its number."""
    address: str
    """site/number@dictionary."""
    density: float
    """Share of counted tokens on which it is active."""
    max: float
    """Largest activation."""
    hit: HitDetail
    """Why it was found."""


class SearchResult(BaseModel):
    """A page of what a search found."""

    mode: Mode
    """The mode in force."""
    items: list[SearchHit]
    """Best first."""
    next: str | None
    """Cursor of the next page; null on the last."""
    total: int
    """Features found; a lower bound where `is_bounded`."""
    is_bounded: bool
    """Whether the search stopped at a bound, so that there are more than `total`."""
    hidden: list[Hidden]
    """Filters in force with what each hides."""
    jump: int | None
    """The feature that the query names by its number or address."""
    note: str
    """How it was searched, and how far to trust it."""
    took_ms: float
    """Time in the server."""


class Firing(BaseModel):
    """A feature on a token."""

    feature: int
    """Its number."""
    value: float
    """Its activation."""


class ReadBody(BaseModel):
    """A text to read as features."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    """The text."""
    sort: TextSort = "score"
    """score: share of its own maximum times rarity; sum and max of activations; frequency: tokens on which it fires."""
    per_token: int = Field(default=3, ge=0, le=64)
    """Features listed for each token."""
    max_density: float = Field(default=1.0, ge=0, le=1)
    """Leave out features that fire on more of the corpus."""
    limit: int = Field(default=20, ge=1, le=200)
    """Features of the whole text."""


class TextFeatureOut(BaseModel):
    """A feature active somewhere in a text."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    label: str
    """Its best label."""
    density: float
    """Share of the corpus's tokens on which it is active."""
    max: float
    """Its largest activation in the corpus."""
    value: float
    """What it is sorted by."""
    peak: int
    """The token where it is strongest."""
    activations: list[float]
    """Its activation on each token."""


class ReadOut(BaseModel):
    """A text as features."""

    tokens: list[str]
    """Text of each token."""
    token_ids: list[int]
    """The tokens."""
    counted: list[bool]
    """False on special tokens and on the first one, whose activations mean nothing."""
    per_token: list[list[Firing]]
    """For each token its strongest features; empty where the token does not count."""
    n_active: list[int]
    """For each token how many features fire."""
    features: list[TextFeatureOut]
    """The text's features, best first."""
    labels: dict[int, str]
    """Best labels of the features in `per_token`."""
    hidden: list[Hidden]
    """Filters in force with what each hides."""


@router.get("/search")
async def search_features(
    dictionary: str,
    here: Here,
    client: Client,
    q: Annotated[str, Query(max_length=MAX_TEXT)],
    mode: Mode = "words",
    sort: TextSort = "score",
    direction: Literal["promoted", "suppressed"] = "promoted",
    max_density: Annotated[float | None, Query(ge=0, le=1)] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> SearchResult:
    """Features that answer a query in one of five modes; mode 'text' runs the model.

    `sort` is of mode 'text', `direction` of mode 'token'. Without `max_density` features denser than 1 % are hidden.
    """
    started = time.perf_counter()
    index = here.index(dictionary)
    start = place_of(cursor)
    bound = DEFAULT_DENSITY if max_density is None else max_density
    if mode == "text":
        found = await _text_found(here, index, client, q, sort)
    else:
        if mode == "meaning":
            await _learn_words(here, index, client)
        found = await run_sync(lambda: search(index, q, mode, direction=direction))
    part = await run_sync(lambda: shown(index, found, max_density=bound, start=start, limit=limit))
    items = await run_sync(lambda: hits_of(index, found, part, q, mode, direction))
    return SearchResult(
        mode=mode,
        items=items,
        next=cursor_after(start, limit, part.total),
        total=part.total,
        is_bounded=found.is_bounded,
        hidden=_hidden(bound, max_density is None, part.n_hidden),
        jump=named_feature(index, q),
        note=found.note,
        took_ms=round(1000 * (time.perf_counter() - started), 2),
    )


@router.post("/read")
async def read_text(dictionary: str, body: Annotated[ReadBody, Body()], here: Here, client: Client) -> ReadOut:
    """A text as features, token by token and as a whole; this runs the model."""
    index = here.index(dictionary)
    raw = await read_raw(here, index, client, body.text)
    return await run_sync(lambda: _reading(index, raw, body))


async def _text_found(here: Residents, index: Index, client: str, text: str, sort: TextSort) -> Found:
    if not text.strip():
        raise BadRequest("The text is empty.", "", "Give some text.")
    known = recalled(index, ("text", text))
    raw = known.raw if known and known.raw else await read_raw(here, index, client, text)
    return remember(index, ("text", text), by_text(index, raw, sort))


async def _learn_words(here: Residents, index: Index, client: str) -> None:
    """Keep the words of the index's model the first time, where no better encoder is here and a model may be loaded."""
    if not here.read_only and needs_embedding(index):
        # Without its model the search goes by spelling, and says so.
        with suppress(HookeError):
            await here.with_model(index.manifest.model, client, lambda model: keep_embedding(index, model))


def _hidden(bound: float, is_default: bool, n: int) -> list[Hidden]:
    if bound >= 1:
        return []
    return [Hidden(filter="max_density", value=f"{bound:g}", is_default=is_default, n=n)]


def hits_of(
    index: Index, found: Found, part: Shown, query: str, mode: Mode, direction: Literal["promoted", "suppressed"]
) -> list[SearchHit]:
    """A page of what was found, as it is sent."""
    features = part.features.tolist()
    best = {feature: labels[0] for feature, labels in index.labels.of_many(features).items()}
    rows = index.labels.rows([found.rows[feature] for feature in features]) if found.rows else {}
    items = []
    for feature, value, at in zip(features, part.values.tolist(), part.at.tolist(), strict=True):
        label = rows.get(found.rows.get(feature, -1)) or best.get(feature)
        detail = _detail(index, found, at, value, label, query, mode)
        if mode == "token":
            detail = detail.model_copy(update={"direction": direction})
        items.append(_hit(index, feature, label, detail))
    return items


def _detail(
    index: Index, found: Found, at: int, value: float, label: Label | None, query: str, mode: Mode
) -> HitDetail:
    detail = HitDetail(kind=mode, value=value if np.isfinite(value) else None, token=found.token)
    if mode == "words" and label is not None:
        spans = spans_of(label.text, search_terms(query))
        words = [] if spans else matching_words(label, query)
        return detail.model_copy(update={"spans": spans, "words": words})
    if mode == "text" and found.raw is not None:
        tokens, values = around_peak(index, found.raw, int(found.features[at]))
        return detail.model_copy(update={"tokens": list(tokens), "values": values})
    if mode == "examples" and (example := example_of(index, found, at)) is not None:
        return detail.model_copy(update={"tokens": list(example.tokens), "values": list(example.activations)})
    return detail


def _hit(index: Index, feature: int, label: Label | None, detail: HitDetail) -> SearchHit:
    return SearchHit(
        feature=feature,
        address=index.address(feature),
        **label_facts(label).model_dump(),
        density=float(index.densities[feature]),
        max=float(index.maxima[feature]),
        hit=detail,
    )


def _reading(index: Index, raw: RawReading, body: ReadBody) -> ReadOut:
    found = by_text(index, raw, body.sort)
    part = shown(index, found, max_density=body.max_density, start=0, limit=body.limit)
    light = index.densities <= body.max_density
    per_token = [
        [Firing(feature=one.feature, value=one.value) for one in firings if light[one.feature]][: body.per_token]
        if counts
        else []
        for firings, counts in zip(raw.firings(), raw.counted.tolist(), strict=True)
    ]
    listed = {firing.feature for firings in per_token for firing in firings}
    labels = index.labels.of_many([*listed, *part.features.tolist()])
    return ReadOut(
        tokens=list(index.vocabulary.texts(raw.tokens.tolist())),
        token_ids=raw.tokens.tolist(),
        counted=raw.counted.tolist(),
        per_token=per_token,
        n_active=(raw.values > 0).sum(axis=1).tolist(),
        features=[
            _text_feature(index, raw, feature, value, labels)
            for feature, value in zip(part.features.tolist(), part.values.tolist(), strict=True)
        ],
        labels={feature: labels[feature][0].text for feature in sorted(listed) if feature in labels},
        hidden=_hidden(body.max_density, is_default=False, n=part.n_hidden),
    )


def _text_feature(
    index: Index, raw: RawReading, feature: int, value: float, labels: dict[int, tuple[Label, ...]]
) -> TextFeatureOut:
    activations = raw.activations(feature)
    return TextFeatureOut(
        feature=feature,
        address=index.address(feature),
        label=labels[feature][0].text if feature in labels else "",
        density=float(index.densities[feature]),
        max=float(index.maxima[feature]),
        value=round(value, 5),
        peak=int(np.argmax(np.where(raw.counted, activations, 0))),
        activations=rounded(activations),
    )
