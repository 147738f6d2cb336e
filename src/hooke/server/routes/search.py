"""Features by words, meaning, a text that fires them, a token that they move, or the text of their examples."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from hooke.errors import HookeError
from hooke.server.routes.features import MAX_TEXT, Client, Here, Hidden

router = APIRouter(prefix="/api/dictionaries/{dictionary}", tags=["search"])

Mode = Literal["words", "meaning", "text", "token", "examples"]
TextSort = Literal["score", "sum", "max", "frequency"]
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


class SearchHit(BaseModel):
    """A feature that a search found."""

    feature: int
    """Its number."""
    address: str
    """site/number@dictionary."""
    label: str
    """The label that was found, else its best one; empty where it has none."""
    kind: str
    """Kind of the label."""
    score: float | None
    """Balanced accuracy of the label."""
    f1: float | None
    """F1 of the label."""
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
    max_density: float = Field(default=1, ge=0, le=1)
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
    raise HookeError("Not built yet.")


@router.post("/read")
async def read_text(dictionary: str, body: Annotated[ReadBody, Body()], here: Here, client: Client) -> ReadOut:
    """A text as features, token by token and as a whole; this runs the model."""
    raise HookeError("Not built yet.")
