"""Features of one dictionary: the listing with its filters, and the panels of a page, each its own request."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from hooke.errors import HookeError
from hooke.server.residents import Residents, client_of, residents_of

router = APIRouter(prefix="/api/dictionaries/{dictionary}", tags=["features"])

Here = Annotated[Residents, Depends(residents_of)]
Client = Annotated[str, Depends(client_of)]
Sort = Literal["number", "density", "max", "score", "f1", "label"]
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
async def list_features(
    dictionary: str,
    here: Here,
    sort: Sort = "number",
    descending: bool = False,
    min_density: Annotated[float, Query(ge=0, le=1)] = 0,
    max_density: Annotated[float, Query(ge=0, le=1)] = 1,
    min_max: Annotated[float, Query(ge=0)] = 0,
    min_score: Annotated[float, Query(ge=0, le=1)] = 0,
    kind: str | None = None,
    source: str | None = None,
    part: str | None = None,
    alive: bool | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> FeatureList:
    """A page of the features in an order, with counts by facet and what each filter hides."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}")
async def get_feature(dictionary: str, feature: int, here: Here) -> FeatureHeader:
    """The head of a feature's page."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/histogram")
async def feature_histogram(dictionary: str, feature: int, here: Here) -> FeatureHistogram:
    """How strongly the feature fires, and in which parts of the corpus."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/examples")
async def feature_examples(
    dictionary: str,
    feature: int,
    here: Here,
    group: str = "strongest",
    unique: bool = True,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> ExamplePage:
    """A page of the texts that fire the feature; `unique` leaves out those that say nearly the same."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/effects")
async def feature_effects(dictionary: str, feature: int, here: Here) -> FeatureEffects:
    """The tokens that the feature promotes and suppresses."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/neighbours")
async def feature_neighbours(dictionary: str, feature: int, here: Here) -> FeatureNeighbours:
    """The features that write alike, and those that fire together with it."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/near-misses")
async def feature_near_misses(
    dictionary: str, feature: int, here: Here, client: Client, limit: Annotated[int, Query(ge=1, le=20)] = 8
) -> NearMisses:
    """Tokens on which the feature comes closest to firing; this runs the model."""
    raise HookeError("Not built yet.")


@router.get("/features/{feature}/python")
async def feature_python(dictionary: str, feature: int, here: Here) -> FeaturePython:
    """Python that gives what the page shows."""
    raise HookeError("Not built yet.")


@router.post("/features/{feature}/try")
async def try_text(
    dictionary: str, feature: int, body: Annotated[TryBody, Body()], here: Here, client: Client
) -> TryOut:
    """The feature on a text of one's own; this runs the model."""
    raise HookeError("Not built yet.")


@router.get("/random")
async def random_feature(dictionary: str, here: Here) -> RandomFeature:
    """A feature drawn at random among those that ever fire."""
    raise HookeError("Not built yet.")


@router.post("/export", response_class=HTMLResponse)
async def export_features(dictionary: str, body: Annotated[ExportBody, Body()], here: Here) -> HTMLResponse:
    """One HTML file of the chosen features that needs no server."""
    raise HookeError("Not built yet.")
