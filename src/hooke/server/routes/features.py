"""Features of one dictionary: the listing with its filters, and the panels of a page, each its own request."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from hooke.errors import BadRequest, UnknownName
from hooke.features.alike import without_alike
from hooke.features.card import GROUPS, Card, Example, TokenEffect
from hooke.features.labels import Label
from hooke.features.listing import Filters, Listing
from hooke.features.near_misses import METHOD, near_misses
from hooke.features.percentiles import quantiles, share_below
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
QUANTILES = (0.5, 0.9, 0.99, 0.999)
MAX_TEXT = 20_000
"""Characters of a text that is read with the model."""


class LabelOut(BaseModel):
    """A short explanation of a feature, with how well it predicts the feature."""

    text: str
    """The explanation."""
    source: str
    """Who made it; 'rule' is counting alone."""
    kind: str
    """What it is about: token, phrase, form, source, context; 'none' where no simple rule was found."""
    score: float | None
    """Balanced accuracy on tokens not used to make it; 0.5 is chance."""
    f1: float | None
    """F1 of the same predictor at the density of what it predicts."""
    n: int
    """Tokens that the score is over."""


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


class FeatureRow(BaseModel):
    """A feature in a list."""

    feature: int
    """Its number."""
    address: str
    """site/number@dictionary."""
    label: str
    """Its best label, empty where it has none."""
    kind: str
    """Kind of that label, empty where it has none."""
    source: str
    """Who made that label."""
    part: str
    """The part of the corpus that is most over-represented among its firings."""
    score: float | None
    """Balanced accuracy of the label."""
    f1: float | None
    """F1 of the label."""
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


class SourceShareOut(BaseModel):
    """How much of a feature's firing is in one part of the corpus."""

    source: str
    """The part."""
    share: float
    """Share of the feature's firings."""
    base: float
    """Share of all counted tokens."""


class Quantile(BaseModel):
    """An activation below which a share of the feature's activations lies."""

    share: float
    """0.5 is the median."""
    value: float
    """The activation, to within its bin of half an octave."""


class FeatureHistogram(BaseModel):
    """A feature's activations on a logarithmic scale."""

    edges: list[float]
    """One more than bins; each bin is half an octave, the first takes what is smaller."""
    counts: list[int]
    """Activations in each bin."""
    n_zero: int
    """Counted tokens on which it is silent."""
    quantiles: list[Quantile]
    """Read off the bins."""
    by_source: list[SourceShareOut]
    """Where it fires, the most over-represented part first."""


class ExampleOut(BaseModel):
    """A stretch of text on which a feature is active."""

    group: str
    """The group that it is of."""
    window: int
    """Number of its window."""
    position: int
    """Position of the peak in the window."""
    peak: int
    """Place of the peak in `activations` and `tokens`."""
    value: float
    """Activation at the peak."""
    percentile: float
    """Share of the feature's activations that are smaller."""
    activations: list[float]
    """Activation on each token, to about 2 %."""
    tokens: list[str]
    """Text of each token; empty where the text is not here."""
    token_ids: list[int]
    """The tokens."""
    document: int | None
    """Running number of the document."""
    source: str | None
    """The part of the corpus."""
    n_alike: int
    """Examples left out because they say nearly the same around the peak."""


class GroupOut(BaseModel):
    """A group of examples."""

    group: str
    """'strongest', or a fifth of the firings such as '60–80 %'."""
    n: int
    """Examples in it."""


class ExamplePage(BaseModel):
    """A page of examples."""

    items: list[ExampleOut]
    """The examples, strongest first."""
    next: str | None
    """Cursor of the next page; null on the last."""
    total: int
    """Examples of this group, without those left out as alike."""
    groups: list[GroupOut]
    """All groups."""
    n_alike: int
    """Examples left out as alike."""
    text_missing: str
    """Why examples have no text; empty where they have."""


class TokenEffectOut(BaseModel):
    """A token that a feature promotes or suppresses."""

    token: int
    """Its id."""
    text: str
    """Its text."""
    value: float
    """Deviations above (or below) what the dictionary's features do to this token."""


class FeatureEffects(BaseModel):
    """What a feature does to the next token, read off its decoder row through the unembedding."""

    promoted: list[TokenEffectOut]
    """Most promoted first."""
    suppressed: list[TokenEffectOut]
    """Most suppressed first."""
    chance: float
    """The control: the strongest token of a random direction stays below this 95 times in 100."""
    method: str
    """How it was computed."""
    caution: str
    """Why to read it with care; empty in late layers."""


class NeighbourOut(BaseModel):
    """A feature that writes in a similar direction."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    label: str
    """Its best label."""
    cosine: float
    """Cosine of the decoder rows."""


class PartnerOut(BaseModel):
    """A feature that fires on the same tokens."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    label: str
    """Its best label."""
    count: int
    """Tokens on which both fire (estimated where the feature fires on more than 512)."""
    pmi: float
    """Pointwise mutual information in bits."""
    jaccard: float
    """Tokens on which both fire, as a share of those on which either does."""


class FeatureNeighbours(BaseModel):
    """Features that are like a feature."""

    neighbours: list[NeighbourOut]
    """By decoder cosine, nearest first."""
    partners: list[PartnerOut]
    """By normalised PMI."""


class NearMiss(BaseModel):
    """A token on which a feature stays silent though it comes close."""

    window: int
    """Number of its window."""
    position: int
    """Position in the window."""
    peak: int
    """Place of the token in `tokens`."""
    value: float
    """Pre-activation there."""
    needed: float
    """Pre-activation that it would have needed."""
    activations: list[float]
    """Activation on each token around it (the feature may fire beside it)."""
    tokens: list[str]
    """Text of each token."""
    token_ids: list[int]
    """The tokens."""
    source: str | None
    """The part of the corpus."""


class NearMisses(BaseModel):
    """Where a feature comes closest to firing without firing."""

    items: list[NearMiss]
    """Closest first, one a window."""
    n_windows: int
    """Windows that were run through the model."""
    method: str
    """How they were found."""


class FeaturePython(BaseModel):
    """The page as Python."""

    code: str
    """Runs as it is where hooke is installed and the lab is the same."""


class TryBody(BaseModel):
    """A text to try."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    """The text."""


class TryOut(BaseModel):
    """One feature on a text."""

    tokens: list[str]
    """Text of each token."""
    token_ids: list[int]
    """The tokens."""
    counted: list[bool]
    """False on special tokens and on the first one, whose activations mean nothing."""
    activations: list[float]
    """Activation on each token."""
    percentiles: list[float | None]
    """Share of the feature's activations in the corpus that are smaller; null where it is silent."""
    peak: int | None
    """The counted token with the largest activation; null where it is silent on all."""
    share_of_max: float
    """The largest counted activation over the largest in the corpus."""


class RandomFeature(BaseModel):
    """A feature drawn at random among those that ever fire."""

    feature: int
    """Its number."""


class ExportBody(BaseModel):
    """Features to export."""

    features: list[int] = Field(min_length=1, max_length=200)
    """Their numbers, in the order of the page."""


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


@router.get("/features/{feature}/histogram")
def feature_histogram(dictionary: str, feature: int, here: Here) -> FeatureHistogram:
    """How strongly the feature fires, and in which parts of the corpus."""
    card = card_of(here.index(dictionary), feature)
    values = quantiles(card.histogram, QUANTILES)
    return FeatureHistogram(
        edges=list(card.histogram.edges),
        counts=list(card.histogram.counts),
        n_zero=card.n_counted - card.n_active,
        quantiles=[Quantile(share=share, value=value) for share, value in zip(QUANTILES, values, strict=False)],
        by_source=[SourceShareOut(source=one.source, share=one.share, base=one.base) for one in card.by_source],
    )


@router.get("/features/{feature}/examples")
def feature_examples(
    dictionary: str,
    feature: int,
    here: Here,
    group: str = "strongest",
    unique: bool = True,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> ExamplePage:
    """A page of the texts that fire the feature; `unique` leaves out those that say nearly the same."""
    card = card_of(here.index(dictionary), feature)
    groups = {one.name: one.examples for one in card.groups}
    if group not in groups and group not in GROUPS:
        raise UnknownName(f"No group of examples '{group}'.", "", f"Groups: {', '.join(GROUPS)}.")
    examples = groups.get(group, ())
    kept = without_alike(examples) if unique else [(example, 0) for example in examples]
    start = place_of(cursor)
    return ExamplePage(
        items=[example_out(card, group, example, n) for example, n in kept[start : start + limit]],
        next=cursor_after(start, limit, len(kept)),
        total=len(kept),
        groups=[GroupOut(group=name, n=len(some)) for name, some in groups.items()],
        n_alike=len(examples) - len(kept),
        text_missing=card.text_missing,
    )


@router.get("/features/{feature}/effects")
def feature_effects(dictionary: str, feature: int, here: Here) -> FeatureEffects:
    """The tokens that the feature promotes and suppresses."""
    index = here.index(dictionary)
    card = card_of(index, feature)
    return FeatureEffects(
        promoted=[_effect_out(one) for one in card.promoted],
        suppressed=[_effect_out(one) for one in card.suppressed],
        chance=card.effects_chance,
        method=index.manifest.effects,
        caution=_caution(card),
    )


@router.get("/features/{feature}/neighbours")
def feature_neighbours(dictionary: str, feature: int, here: Here) -> FeatureNeighbours:
    """The features that write alike, and those that fire together with it."""
    index = here.index(dictionary)
    card = card_of(index, feature)
    return FeatureNeighbours(
        neighbours=[
            NeighbourOut(feature=one.feature, address=index.address(one.feature), label=one.label, cosine=one.cosine)
            for one in card.neighbours
        ],
        partners=[
            PartnerOut(
                feature=one.feature,
                address=index.address(one.feature),
                label=one.label,
                count=one.count,
                pmi=one.pmi,
                jaccard=one.jaccard,
            )
            for one in card.partners
        ],
    )


@router.get("/features/{feature}/near-misses")
async def feature_near_misses(
    dictionary: str, feature: int, here: Here, client: Client, limit: Annotated[int, Query(ge=1, le=20)] = 8
) -> NearMisses:
    """Tokens on which the feature comes closest to firing; this runs the model."""
    index = here.index(dictionary)
    index.hit(feature)

    def work(model: Model) -> NearMisses:
        found, n_windows = near_misses(
            index, model, feature, limit, dictionary=here.dictionary(index.manifest.dictionary)
        )
        items = [
            NearMiss(
                window=miss.window,
                position=miss.position,
                peak=miss.peak,
                value=miss.value,
                needed=miss.needed,
                activations=list(miss.activations),
                tokens=list(miss.tokens),
                token_ids=list(miss.token_ids),
                source=miss.source,
            )
            for miss in found
        ]
        return NearMisses(items=items, n_windows=n_windows, method=METHOD)

    return await here.with_model(index.manifest.model, client, work)


@router.get("/features/{feature}/python")
def feature_python(dictionary: str, feature: int, here: Here) -> FeaturePython:
    """Python that gives what the page shows."""
    index = here.index(dictionary)
    index.hit(feature)
    return FeaturePython(code=snippet(dictionary, index.manifest.model, feature))


@router.post("/features/{feature}/try")
async def try_text(
    dictionary: str, feature: int, body: Annotated[TryBody, Body()], here: Here, client: Client
) -> TryOut:
    """The feature on a text of one's own; this runs the model."""
    index = here.index(dictionary)
    card = card_of(index, feature)
    raw = await read_raw(here, index, client, body.text)
    activations = raw.activations(feature)
    counted = np.where(raw.counted, activations, 0)
    shares = share_below(card.histogram, activations)
    return TryOut(
        tokens=list(index.vocabulary.texts(raw.tokens.tolist())),
        token_ids=raw.tokens.tolist(),
        counted=raw.counted.tolist(),
        activations=rounded(activations),
        percentiles=[
            round(share, 4) if value > 0 and np.isfinite(share) else None
            for value, share in zip(activations.tolist(), shares.tolist(), strict=True)
        ],
        peak=int(np.argmax(counted)) if counted.any() else None,
        share_of_max=float(counted.max(initial=0) / card.max) if card.max > 0 else 0.0,
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
    return LabelOut(text=label.text, source=label.source, kind=label.kind, score=label.score, f1=label.f1, n=label.n)


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
                label=label.text if label else "",
                kind=label.kind if label else "",
                source=label.source if label else "",
                part=listing.value("part", feature),
                score=label.score if label else None,
                f1=label.f1 if label else None,
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


def example_out(card: Card, group: str, example: Example, n_alike: int) -> ExampleOut:
    """An example as it is sent."""
    share = float(share_below(card.histogram, [example.value])[0])
    return ExampleOut(
        group=group,
        window=example.window,
        position=example.position,
        peak=example.peak,
        value=example.value,
        percentile=round(share, 4) if np.isfinite(share) else 0.0,
        activations=list(example.activations),
        tokens=list(example.tokens),
        token_ids=list(example.token_ids),
        document=example.document,
        source=example.source,
        n_alike=n_alike,
    )


def _effect_out(one: TokenEffect) -> TokenEffectOut:
    return TokenEffectOut(token=one.token, text=one.text, value=one.value)


def _caution(card: Card) -> str:
    if not card.promoted:
        return "This dictionary does not write to the residual stream, so its effects on tokens are not known."
    return (
        f"This is the direct path alone, from {card.site} to the unembedding. Layers behind it read the feature too; "
        "the earlier the site, the less the direct path says."
    )


def snippet(index: str, model: str, feature: int) -> str:
    """Python for a feature's page."""
    return f"""import hooke

index = hooke.Index.open({index!r})
card = index.card({feature})
print(card.name, card.label.text if card.label else "no label", f"density {{card.density:.4%}}")
for example in card.examples[:5]:
    print(f"{{example.value:8.3f}}  " + "".join(example.tokens))
print("promotes", [effect.text for effect in card.promoted])

model = hooke.load({model!r})
reading = index.active_on(model, "Put your own text here.")
print([(one.name, one.value) for one in reading.features])
"""
