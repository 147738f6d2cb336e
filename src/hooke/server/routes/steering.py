"""Steering: recipes, text with and without them side by side, and sweeps over strengths."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.prompt_answers import MAX_TEXT, MessageIn

router = APIRouter(prefix="/api", tags=["steering"])

ArmName = Literal["base", "treated", "random"]
How = Literal["add", "clamp", "ablate"]


class RecipePart(BaseModel):
    """One edit of a recipe: of a feature, or a vector at a site."""

    feature: str | None = Field(default=None, max_length=200)
    """The feature's address with its dictionary, `site/number@dictionary`; either this or a vector."""
    site: str | None = Field(default=None, max_length=60)
    """Where the vector is added."""
    vector: list[float] | None = Field(default=None, max_length=65536)
    """A vector as wide as its site."""
    how: How = "add"
    """add: the feature's decoder row times strength; clamp: its activation is forced to strength; ablate: to 0."""
    strength: float = Field(default=1.0, ge=-1000, le=1000)
    """In units of the feature's largest activation in the corpus; of a vector, a plain factor."""
    when: Literal["all", "prompt", "generated"] = "all"
    """Which tokens: the prompt's, the new ones, or both."""
    positions: str | list[int] | None = "1:"
    """Positions, by default all but the first, which holds the attention sink; null for all."""


class RecipeOut(BaseModel):
    """Edits with a name, the same JSON that `hooke steer --recipe FILE` runs."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Its name."""
    edits: list[RecipePart] = Field(min_length=1, max_length=32)
    """In the order in which they are made."""


class RecipeList(BaseModel):
    """Saved recipes."""

    items: list[RecipeOut]
    """By name."""
    next: str | None
    """Always null."""
    total: int
    """How many there are."""


class SteerBody(BaseModel):
    """A prompt to continue in several arms."""

    model: str
    """The model."""
    recipe: RecipeOut
    """What to change."""
    prompt: str | None = Field(default=None, max_length=MAX_TEXT)
    """Text to go on with; either this or messages."""
    messages: list[MessageIn] | None = Field(default=None, max_length=64)
    """Chat messages; the model answers as the assistant."""
    arms: list[ArmName] = Field(default=["base", "treated", "random"], min_length=1, max_length=3)
    """base: no edits; treated: the recipe; random: the recipe with random directions of the same norm."""
    samples: int = Field(default=1, ge=1, le=8)
    """Texts of each arm."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """The same request with the same seed gives the same text."""
    max_tokens: int = Field(default=48, ge=1, le=256)
    """New tokens of each text."""
    temperature: float = Field(default=0.0, ge=0, le=5)
    """0 takes the likeliest token each time."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample from the smallest set of tokens that holds this much probability."""


class SweepBody(SteerBody):
    """Strengths to go through."""

    strengths: list[float] = Field(default=[0.25, 0.5, 1.0, 1.5, 2.0], min_length=1, max_length=12)
    """Factors on the recipe's own strengths."""
    arms: list[ArmName] = Field(default=["treated", "random"], min_length=1, max_length=2)
    """Arms of each strength; the text without edits is always made once, as the cell of strength 0."""


class EstimateOut(BaseModel):
    """A number with its 95 % interval over samples."""

    value: float | None
    """The number; null where there is none, e.g. of an empty text."""
    low: float | None
    """Lower end; null with fewer than two samples."""
    high: float | None
    """Upper end."""


class StartEvent(BaseModel):
    """Event 'start'."""

    prompt: str
    """What the model reads, template included."""
    n_prompt: int
    """Its tokens."""
    arms: list[str]
    """The arms, in the order in which they take turns."""
    promoted: list[str]
    """Tokens whose logits the recipe's directions raise most; their mass is a metric."""


class WarningEvent(BaseModel):
    """Event 'warning'."""

    part: int
    """Place of the edit in the recipe."""
    text: str
    """What to beware of."""


class TokenEvent(BaseModel):
    """Event 'token': one more token of one text."""

    arm: str
    """The arm."""
    sample: int
    """Which of its texts."""
    step: int
    """Its place, from 0."""
    token: int
    """The token."""
    text: str
    """What it adds to the text; may be empty where a character takes several tokens."""
    logprob: float
    """Its log-probability in this arm, before temperature."""
    base_logprob: float
    """Its log-probability under the model without edits, after the same text."""


class ArmMetrics(BaseModel):
    """What an arm's texts are like."""

    n: int
    """Texts."""
    perplexity: EstimateOut
    """Under the model without edits: how foreign the text is to it."""
    kl: EstimateOut
    """Divergence of the arm's next-token distribution from the one without edits along the text, nats per token."""
    distinct_2: EstimateOut
    """Share of pairs of neighbouring tokens that are distinct; low where the text repeats itself."""
    promoted_mass: EstimateOut
    """Probability of the promoted tokens as the next token, mean along the text."""
    activation: EstimateOut
    """Mean activation of the recipe's first feature on the text, read without edits, as a share of its maximum."""


class MetricsEvent(BaseModel):
    """Event 'metrics', after the last token."""

    arms: dict[str, ArmMetrics]
    """By arm."""
    note: str
    """What the numbers are over, and their limits."""


class SweepCell(BaseModel):
    """Event 'cell' of a sweep."""

    strength: float
    """Factor on the recipe's strengths; 0 for the text without edits."""
    arm: ArmName
    """The arm."""
    texts: list[str]
    """Its texts."""
    metrics: ArmMetrics
    """What they are like."""


class SteerEvents(BaseModel):
    """The events of a steering stream, by name; declared so that their shapes are in the schema."""

    start: StartEvent
    """First."""
    warning: WarningEvent
    """Where a strength is beyond what the corpus holds."""
    token: TokenEvent
    """Many; arms and samples take turns."""
    cell: SweepCell
    """Of a sweep, instead of tokens."""
    metrics: MetricsEvent
    """Last, before 'end'."""


_STREAM = {200: {"model": SteerEvents, "description": "Server-sent events, each with the data of its name."}}


@router.post("/steer", response_class=StreamingResponse, responses=_STREAM)
async def steer(body: Annotated[SteerBody, Body()], here: ResidentsHere, client: ClientHere) -> StreamingResponse:
    """A prompt continued in several arms, token by token; events start, warning, token, metrics, then end."""
    raise NotImplementedError


@router.post("/steer/sweep", response_class=StreamingResponse, responses=_STREAM)
async def sweep(body: Annotated[SweepBody, Body()], here: ResidentsHere, client: ClientHere) -> StreamingResponse:
    """The recipe at several strengths; events start, warning, cell (one for each strength and arm), then end."""
    raise NotImplementedError


@router.get("/recipes")
def list_recipes(here: ResidentsHere) -> RecipeList:
    """Saved recipes."""
    raise NotImplementedError


@router.get("/recipes/{name}")
def get_recipe(name: str, here: ResidentsHere) -> RecipeOut:
    """A saved recipe."""
    raise NotImplementedError


@router.put("/recipes/{name}")
def put_recipe(name: str, body: Annotated[RecipeOut, Body()], here: ResidentsHere) -> RecipeOut:
    """Save a recipe under its name; one of that name is replaced."""
    raise NotImplementedError


@router.delete("/recipes/{name}", status_code=204)
def delete_recipe(name: str, here: ResidentsHere) -> None:
    """Throw a saved recipe away."""
    raise NotImplementedError
