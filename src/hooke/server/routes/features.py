"""Features of one dictionary: the listing with its filters, and the panels of a page, each its own request."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from hooke.errors import BadRequest, UnknownName
from hooke.features.card import Card
from hooke.features.labels import Label, Score
from hooke.features.listing import Filters, Listing
from hooke.features.query import Index
from hooke.features.reading import RawReading
from hooke.models.model import Model
from hooke.pages.page import Section, page
from hooke.pages.views import feature_view
from hooke.server.residents import Residents, client_of, residents_of
from hooke.sites import parse_site

router = APIRouter(prefix="/api/dictionaries/{dictionary}", tags=["features"])

Here = Annotated[Residents, Depends(residents_of)]
Client = Annotated[str, Depends(client_of)]
Sort = Literal["number", "density", "max", "score", "f1", "label"]
_CARDS = 32
MAX_TEXT = 20_000
"""Characters of a text that is read with the model."""


class ScoreOut(BaseModel):
    """How good a label is by one scorer, on text that it was not made from, beside other features' labels."""

    scorer: str
    """detection, fuzzing, intruder, simulation, embedding or output; see docs/labels.md."""
    judge: str
    """Who answered; 'rule' is the label itself."""
    value: float
    """The score."""
    low: float
    """Lower end of its 95 % interval over passages."""
    high: float
    """Upper end."""
    n: int
    """Passages that it is over."""
    null: float | None
    """Mean score of other features' labels on the same passages."""
    null_low: float | None
    """Where the scores of 95 in 100 of them begin; null where there are too few."""
    null_high: float | None
    """Where they end."""
    is_better: bool
    """Whether it is better than other features' labels, beyond luck."""


class LabelOut(BaseModel):
    """A short explanation of a feature, with how well it predicts the feature."""

    text: str
    """The explanation."""
    source: str
    """Who made it; 'rule' is counting alone."""
    kind: str
    """What it is about: token, phrase, form, source, context; 'none' where no simple rule was found."""
    score: float | None
    """Its main score, or balanced accuracy on tokens not used to make it; 0.5 is chance."""
    f1: float | None
    """F1 of the same predictor at the density of what it predicts."""
    n: int
    """Tokens or passages that the score is over."""
    unit: Literal["tokens", "passages"]
    """What n counts."""
    scores: list[ScoreOut]
    """Its scores beside other features' labels; none where it was never held against them."""


class LabelFacts(BaseModel):
    """The label of a feature in a list, with how far to trust it."""

    label: str
    """The label, empty where it has none."""
    kind: str
    """Kind of the label, empty where it has none."""
    score: float | None
    """Balanced accuracy of the label; 0.5 is chance."""
    f1: float | None
    """F1 of the label."""
    n: int | None
    """Tokens or passages that the score is over."""
    unit: Literal["tokens", "passages"]
    """What n counts."""
    null: float | None
    """What other features' labels score on the same passages; null where it was never held against them."""
    is_better: bool
    """Whether it is better than they are, beyond luck."""


class Hidden(BaseModel):
    """A filter in force, and what it alone hides: so many more would show without it."""

    filter: str
    """Name of the query parameter."""
    value: str
    """Its value."""
    is_default: bool
    """Whether it is in force because nothing else was asked for."""
    n: int
    """Features that pass every other filter but not this one."""


class FacetValue(BaseModel):
    """One value of a facet."""

    value: str
    """As the filter of the facet's name takes it."""
    n: int
    """Features with it that pass the other filters."""


class Facet(BaseModel):
    """Values by which a listing can be narrowed."""

    name: str
    """Name of the query parameter."""
    values: list[FacetValue]
    """Most frequent first."""


class FeatureRow(LabelFacts):
    """A feature in a list, with its best label."""

    feature: int
    """Its number."""
    address: str
    """site/number@dictionary."""
    source: str
    """Who made that label."""
    part: str
    """The part of the corpus that is most over-represented among its firings."""
    density: float
    """Share of counted tokens on which it is active."""
    max: float
    """Largest activation."""


class FeatureList(BaseModel):
    """A page of a listing."""

    items: list[FeatureRow]
    """The rows."""
    next: str | None
    """Cursor of the next page; null on the last."""
    total: int
    """Features that pass all filters."""
    n_features: int
    """Features of the dictionary."""
    hidden: list[Hidden]
    """Filters in force with what each alone hides."""
    facets: list[Facet]
    """Counts by kind of label, its maker and part of the corpus; on the first page only."""


class Unit(BaseModel):
    """The neuron that a feature of a neuron basis stands for."""

    number: int
    """Number of the MLP's hidden unit."""
    sign: Literal["+", "-"]
    """Whether the feature is its firing above or below zero."""
    opposite: int
    """The feature of the other sign."""


class Provenance(BaseModel):
    """Where the numbers of a page come from."""

    index: str
    """Name of the index."""
    corpus: str
    """Reference of the corpus."""
    corpus_fingerprint: str
    """Hash of its content."""
    dictionary_fingerprint: str
    """Hash of the dictionary's weights."""
    n_tokens: int
    """Tokens read."""
    n_counted: int
    """Tokens that the statistics are over."""
    context: int
    """Tokens in a window."""
    created: str
    """Date of the index."""
    command: str
    """Command that made it."""
    versions: dict[str, str]
    """Versions of the software."""


class FeatureHeader(BaseModel):
    """The head of a feature's page."""

    feature: int
    """Its number."""
    address: str
    """site/number@dictionary."""
    index: str
    """Name of the index."""
    dictionary: str
    """Name of the dictionary."""
    model: str
    """Name of the model."""
    site: str
    """Where the dictionary reads."""
    layer: int | None
    """The layer of the site."""
    unit: Unit | None
    """The neuron that it stands for, in a neuron basis."""
    labels: list[LabelOut]
    """Its labels, best first."""
    density: float
    """Share of counted tokens on which it is active."""
    n_active: int
    """Tokens on which it is active."""
    n_counted: int
    """Tokens that the statistics are over."""
    mean: float
    """Mean activation where it is active."""
    max: float
    """Largest activation."""
    is_dead: bool
    """Whether it never fired."""
    previous: int | None
    """The feature before it."""
    next: int | None
    """The feature after it."""
    text_missing: str
    """Why examples have no text, and what to do; empty where they have."""
    provenance: Provenance
    """Where the numbers come from."""


class RandomFeature(BaseModel):
    """A feature drawn at random among those that ever fire."""

    feature: int
    """Its number."""


class ExportBody(BaseModel):
    """Features to export."""

    features: list[int] = Field(min_length=1, max_length=200)
    """Their numbers, in the order of the page."""


class RowsBody(BaseModel):
    """Features that are wanted as rows."""

    features: list[int] = Field(min_length=1, max_length=500)
    """Their numbers."""


class FeatureRows(BaseModel):
    """Features that were asked for by number."""

    items: list[FeatureRow]
    """In the order of the request."""


@router.get("/features")
def list_features(
    dictionary: str,
    here: Here,
    sort: Sort = "number",
    descending: bool = False,
    min_density: Annotated[float, Query(ge=0, le=1)] = 0.0,
    max_density: Annotated[float, Query(ge=0, le=1)] = 1.0,
    min_max: Annotated[float, Query(ge=0)] = 0.0,
    min_score: Annotated[float, Query(ge=0, le=1)] = 0.0,
    kind: str | None = None,
    source: str | None = None,
    part: str | None = None,
    alive: bool | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> FeatureList:
    """A page of the features in an order, with counts by facet and what each filter hides."""
    index = here.index(dictionary)
    listing = Listing.of(index)
    filters = Filters(
        min_density=min_density,
        max_density=max_density,
        min_max=min_max,
        min_score=min_score,
        kind=kind,
        source=source,
        part=part,
        alive=alive,
    )
    selection = listing.select(filters, sort, descending)
    start = place_of(cursor)
    values = filters.in_force()
    return FeatureList(
        items=feature_rows(index, listing, selection.features[start : start + limit].tolist()),
        next=cursor_after(start, limit, len(selection.features)),
        total=len(selection.features),
        n_features=len(listing),
        hidden=[Hidden(filter=name, value=values[name], is_default=False, n=n) for name, n in selection.hidden.items()],
        facets=[]
        if start
        else [
            Facet(name=name, values=[FacetValue(value=value, n=n) for value, n in counts.items()])
            for name, counts in selection.facets.items()
        ],
    )


@router.post("/rows")
def some_features(dictionary: str, body: Annotated[RowsBody, Body()], here: Here) -> FeatureRows:
    """Chosen features as rows of a list, with their labels."""
    index = here.index(dictionary)
    for feature in body.features:
        index.known(feature)
    return FeatureRows(items=feature_rows(index, Listing.of(index), body.features))


@router.get("/features/{feature}")
def get_feature(dictionary: str, feature: int, here: Here) -> FeatureHeader:
    """The head of a feature's page."""
    index = here.index(dictionary)
    card = card_of(index, feature)
    return FeatureHeader(
        feature=feature,
        address=card.name,
        index=card.index,
        dictionary=card.dictionary,
        model=card.model,
        site=card.site,
        layer=parse_site(card.site).layer,
        unit=unit_of(index, feature),
        labels=[label_out(label) for label in card.labels],
        density=card.density,
        n_active=card.n_active,
        n_counted=card.n_counted,
        mean=card.mean,
        max=card.max,
        is_dead=card.n_active == 0,
        previous=feature - 1 if feature else None,
        next=feature + 1 if feature + 1 < len(index) else None,
        text_missing=card.text_missing,
        provenance=provenance_of(index),
    )


@router.get("/random")
def random_feature(dictionary: str, here: Here) -> RandomFeature:
    """A feature drawn at random among those that ever fire."""
    alive = np.flatnonzero(Listing.of(here.index(dictionary)).n_active)
    if not len(alive):
        raise UnknownName(f"No feature of '{dictionary}' ever fired.", "", "Build the index over more text.")
    # Each call must draw another one, so this generator has no seed.
    return RandomFeature(feature=int(np.random.default_rng().choice(alive)))


@router.post("/export", response_class=HTMLResponse)
def export_features(dictionary: str, body: Annotated[ExportBody, Body()], here: Here) -> HTMLResponse:
    """One HTML file of the chosen features that needs no server."""
    index = here.index(dictionary)
    cards = [index.card(feature) for feature in dict.fromkeys(body.features)]
    sections = [
        Section(
            name=f"feature-{card.feature}",
            title=f"{card.name}: {card.label.text if card.label else 'no label'}",
            body=feature_view(card),
        )
        for card in cards
    ]
    manifest = index.manifest
    about = {
        "index": manifest.name,
        "dictionary": manifest.dictionary,
        "model": manifest.model,
        "text": manifest.corpus,
    }
    text = page(f"{len(cards)} features of {manifest.dictionary}", sections, provenance=about)
    name = f'attachment; filename="{manifest.name}-features.html"'
    return HTMLResponse(text, headers={"Content-Disposition": name})


def card_of(index: Index, feature: int) -> Card:
    """The card of a feature; the panels of one page ask for it in a row."""
    cards: OrderedDict[tuple[int, bool], Card] = index.aids.setdefault("cards", OrderedDict())
    key = (feature, index.text is not None)
    card = cards.get(key) or index.card(feature)
    cards[key] = card
    while len(cards) > _CARDS:
        cards.popitem(last=False)
    return card


def place_of(cursor: str | None) -> int:
    """Where a page begins.

    Raises:
        BadRequest: the cursor is none that a page gave.
    """
    if cursor is None:
        return 0
    if not cursor.isdecimal() or len(cursor) > 9:
        raise BadRequest(f"'{cursor:.40}' is no cursor.", "", "Take `next` of the page before.")
    return int(cursor)


def cursor_after(start: int, limit: int, total: int) -> str | None:
    """The cursor of the next page; None behind the last."""
    return str(start + limit) if start + limit < total else None


def rounded(values: np.ndarray) -> list[float]:
    """Activations with five digits behind the point."""
    return np.round(values.astype(np.float64), 5).tolist()


def known(value: float) -> float | None:
    """A number, or nothing where it is not one."""
    return float(value) if np.isfinite(value) else None


async def read_raw(here: Residents, index: Index, client: str, text: str) -> RawReading:
    """What fires on a text, by the index's own model and dictionary."""

    def work(model: Model) -> RawReading:
        return index.raw_reading(model, text, dictionary=here.dictionary(index.manifest.dictionary))

    return await here.with_model(index.manifest.model, client, work)


def label_out(label: Label) -> LabelOut:
    """A label as it is sent."""
    return LabelOut(
        text=label.text,
        source=label.source,
        kind=label.kind,
        score=label.score,
        f1=label.f1,
        n=label.n,
        unit=label.unit,
        scores=[_score_out(score) for score in label.scores],
    )


def _score_out(score: Score) -> ScoreOut:
    null_low, null_high = score.null_interval or (None, None)
    return ScoreOut(
        scorer=score.scorer,
        judge=score.judge,
        value=score.value,
        low=score.interval[0],
        high=score.interval[1],
        n=score.n,
        null=score.null,
        null_low=null_low,
        null_high=null_high,
        is_better=score.beats_null,
    )


def label_facts(label: Label | None) -> LabelFacts:
    """The label of a feature in a list."""
    if label is None:
        return LabelFacts(label="", kind="", score=None, f1=None, n=None, unit="tokens", null=None, is_better=False)
    main = label.main
    return LabelFacts(
        label=label.text,
        kind=label.kind,
        score=label.score,
        f1=label.f1,
        n=label.n,
        unit=label.unit,
        null=label.null,
        is_better=main is not None and main.beats_null,
    )


def feature_rows(index: Index, listing: Listing, features: Sequence[int]) -> list[FeatureRow]:
    """Rows of a list."""
    labels = index.labels.of_many(features)
    rows = []
    for feature in features:
        label = next(iter(labels.get(feature, ())), None)
        rows.append(
            FeatureRow(
                feature=feature,
                address=index.address(feature),
                **label_facts(label).model_dump(),
                source=label.source if label else "",
                part=listing.value("part", feature),
                density=float(listing.density[feature]),
                max=float(listing.max[feature]),
            )
        )
    return rows


def unit_of(index: Index, feature: int) -> Unit | None:
    """The neuron that a feature of a neuron basis stands for; None for other dictionaries."""
    if parse_site(index.manifest.site).kind != "neurons" or not index.manifest.dictionary.startswith("neurons."):
        return None
    n_units = len(index) // 2
    is_above = feature < n_units
    return Unit(number=feature % n_units, sign="+" if is_above else "-", opposite=(feature + n_units) % len(index))


def provenance_of(index: Index) -> Provenance:
    """Where the numbers of an index come from."""
    manifest = index.manifest
    made = manifest.provenance
    return Provenance(
        index=manifest.name,
        corpus=manifest.corpus,
        corpus_fingerprint=manifest.corpus_fingerprint,
        dictionary_fingerprint=manifest.dictionary_fingerprint,
        n_tokens=manifest.n_tokens,
        n_counted=manifest.n_counted,
        context=manifest.context,
        created=str(made.get("date", "")),
        command=str(made.get("command", "")),
        versions={name: str(version) for name, version in dict(made.get("versions", {})).items()},
    )
