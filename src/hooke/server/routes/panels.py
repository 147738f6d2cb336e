"""The panels of a feature's page, each a request of its own: a slow one holds no other up."""

import math
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from hooke.errors import UnknownName
from hooke.features.alike import without_alike
from hooke.features.card import GROUPS, Card, Example, TokenEffect
from hooke.features.near_misses import METHOD, near_misses
from hooke.features.percentiles import quantiles, share_below
from hooke.models.model import Model
from hooke.server.routes.features import (
    MAX_TEXT,
    Client,
    Here,
    card_of,
    cursor_after,
    place_of,
    read_raw,
    rounded,
)

router = APIRouter(prefix="/api/dictionaries/{dictionary}/features/{feature}", tags=["features"])

QUANTILES = (0.5, 0.9, 0.99, 0.999)


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
    """Examples of this group or range, without those left out as alike."""
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


@router.get("/histogram")
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


@router.get("/examples")
def feature_examples(
    dictionary: str,
    feature: int,
    here: Here,
    group: str = "strongest",
    unique: bool = True,
    low: Annotated[float | None, Query(ge=0)] = None,
    high: Annotated[float | None, Query(ge=0)] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> ExamplePage:
    """A page of the texts that fire the feature; `unique` leaves out those that say nearly the same.

    With `low` or `high` they are those of every group whose activation lies between.
    """
    card = card_of(here.index(dictionary), feature)
    groups = {one.name: one.examples for one in card.groups}
    if group not in groups and group not in GROUPS:
        raise UnknownName(f"No group of examples '{group}'.", "", f"Groups: {', '.join(GROUPS)}.")
    if low is None and high is None:
        group_of, examples = {}, groups.get(group, ())
    else:
        within = card.within(low or 0.0, math.inf if high is None else high)
        group_of = {(one.window, one.position): name for name, one in within}
        examples = [one for _, one in within]
    kept = without_alike(examples) if unique else [(example, 0) for example in examples]
    start = place_of(cursor)
    return ExamplePage(
        items=[
            example_out(card, group_of.get((one.window, one.position), group), one, n)
            for one, n in kept[start : start + limit]
        ],
        next=cursor_after(start, limit, len(kept)),
        total=len(kept),
        groups=[GroupOut(group=name, n=len(some)) for name, some in groups.items()],
        n_alike=len(examples) - len(kept),
        text_missing=card.text_missing,
    )


@router.get("/effects")
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


@router.get("/neighbours")
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


@router.get("/near-misses")
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


@router.get("/python")
def feature_python(dictionary: str, feature: int, here: Here) -> FeaturePython:
    """Python that gives what the page shows."""
    index = here.index(dictionary)
    index.hit(feature)
    return FeaturePython(code=snippet(dictionary, index.manifest.model, feature))


@router.post("/try")
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
