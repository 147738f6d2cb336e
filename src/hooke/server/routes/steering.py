"""Steering: recipes, text with and without them side by side, and sweeps over strengths."""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, ValidationError

from hooke.configs import from_dict, to_dict
from hooke.directions import sweep as sweeping
from hooke.directions.measures import NOTE, Measures, measure
from hooke.directions.recipe import (
    How,
    Recipe,
    find_recipe,
    recipe_names,
    save_recipe,
    throw_away_recipe,
    warnings_of,
)
from hooke.directions.speak import Word
from hooke.directions.sweep import Prepared, SpeakConfig, texts_of
from hooke.errors import BadArtefact, HookeError, UnknownName
from hooke.models.model import Model, Tokens
from hooke.server.residents import ClientHere, Residents, ResidentsHere, Waiting
from hooke.server.routes.prompt_answers import MAX_TEXT, MessageIn
from hooke.server.routes.prompts import indexes_by_dictionary, tokens_of, vocabulary_of
from hooke.server.streams import event_response
from hooke.sites import FeatureName

router = APIRouter(prefix="/api", tags=["steering"])

ArmName = Literal["base", "treated", "random"]
Position = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
Range = Annotated[str, Field(pattern=r"^-?\d{0,6}:-?\d{0,6}$")]


class ScheduleIn(BaseModel):
    """All of an edit for some new tokens, then less."""

    start: int = Field(default=0, ge=0, le=100_000)
    """The new token with which it begins, counted from 0."""
    hold: int | None = Field(default=None, ge=0, le=100_000)
    """Tokens at full strength; null for all that follow."""
    fade: int = Field(default=0, ge=0, le=100_000)
    """Tokens over which it falls to nothing after them."""


class RecipePart(BaseModel):
    """One edit of a recipe: of a feature, or a vector at a site."""

    feature: str | None = Field(default=None, max_length=200)
    """The feature's address with its dictionary, `site/number@dictionary`; either this or a vector."""
    site: str | None = Field(default=None, max_length=60)
    """Where the vector is added."""
    vector: list[float] | None = Field(default=None, max_length=65536)
    """A vector as wide as its site."""
    how: How = "add"
    """add: the feature's decoder row times strength; clamp: its activation is forced to strength; cap: it is brought
    down to strength where it is above; ablate: to 0."""
    strength: float = Field(default=1.0, ge=-1000, le=1000)
    """In units of the feature's largest activation in the corpus; of a vector, a plain factor."""
    when: Literal["all", "prompt", "generated"] = "all"
    """Which tokens: the prompt's, the new ones, or both."""
    positions: Range | Annotated[list[Position], Field(max_length=4096)] | None = "1:"
    """Positions, by default all but the first, which holds the attention sink; null for all."""
    given: str | None = Field(default=None, max_length=200)
    """A feature's address with its dictionary: only tokens at which it is above `above` are edited."""
    above: float = Field(default=0.0, ge=-1000, le=1000)
    """Of that feature, in units of its largest activation."""
    schedule: ScheduleIn | None = None
    """How much of the edit is made, new token by new token; all of it without."""


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
    """Texts of each arm; at temperature 0 only the random arm has more than one, each with its own directions."""
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


class QueueEvent(BaseModel):
    """Event 'queue', while others are served first: before 'start', and again whenever the place changes."""

    place: int
    """How many turns of the model come before this stream's; 0 once its own has come."""


class StartEvent(BaseModel):
    """Event 'start'."""

    prompt: str
    """What the model reads, template included."""
    n_prompt: int
    """Its tokens."""
    arms: list[str]
    """The arms, in the order in which they take turns."""
    promoted: list[str]
    """Tokens that the recipe makes likelier after neutral prompts; their mass is a metric."""


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

    queue: QueueEvent
    """While the model is busy for others."""
    start: StartEvent
    """First of what the model says."""
    warning: WarningEvent
    """Where a strength is beyond what the corpus holds."""
    token: TokenEvent
    """Many; arms and samples take turns."""
    cell: SweepCell
    """Of a sweep, instead of tokens."""
    metrics: MetricsEvent
    """Last, before 'end'."""


_STREAM: dict[int | str, dict[str, object]] = {
    200: {"model": SteerEvents, "description": "Server-sent events, each with the data of its name."}
}
Event = tuple[str, BaseModel]


@router.post("/steer", response_class=StreamingResponse, responses=_STREAM)
async def steer(body: Annotated[SteerBody, Body()], here: ResidentsHere, client: ClientHere) -> StreamingResponse:
    """A prompt continued in several arms, token by token; events queue, start, warning, token, metrics, then end."""
    prepared = await run_sync(lambda: prepared_of(here, body.recipe))
    return await streamed(here.stream_with_model(body.model, client, lambda model: _steered(model, body, prepared)))


@router.post("/steer/sweep", response_class=StreamingResponse, responses=_STREAM)
async def sweep(body: Annotated[SweepBody, Body()], here: ResidentsHere, client: ClientHere) -> StreamingResponse:
    """The recipe at several strengths; events queue, start, warning, cell (one for each strength and arm), then end."""
    prepared = await run_sync(lambda: prepared_of(here, body.recipe))
    return await streamed(here.stream_with_model(body.model, client, lambda model: _swept(model, body, prepared)))


@router.get("/recipes")
def list_recipes(here: ResidentsHere) -> RecipeList:
    """Saved recipes; damaged ones are left out."""
    items = []
    for name in recipe_names(here.lab):
        with suppress(HookeError):
            items.append(_recipe_out(find_recipe(here.lab, name)))
    return RecipeList(items=items, next=None, total=len(items))


@router.get("/recipes/{name}")
def get_recipe(name: str, here: ResidentsHere) -> RecipeOut:
    """A saved recipe."""
    return _recipe_out(find_recipe(here.lab, name))


@router.put("/recipes/{name}")
def put_recipe(name: str, body: Annotated[RecipeOut, Body()], here: ResidentsHere) -> RecipeOut:
    """Save a recipe under its name; one of that name is replaced."""
    recipe = _recipe(body.model_copy(update={"name": name}))
    save_recipe(here.lab, recipe)
    return _recipe_out(recipe)


@router.delete("/recipes/{name}", status_code=204)
def delete_recipe(name: str, here: ResidentsHere) -> None:
    """Throw a saved recipe away."""
    throw_away_recipe(here.lab, name)


def prepared_of(here: Residents, body: RecipeOut) -> Prepared:
    """The recipe with all that it needs besides the model, looked up before anything runs."""
    recipe = _recipe(body)
    dictionaries = {name: here.dictionary(name) for name in recipe.dictionaries}
    units = {feature: _unit(here, feature) for feature in recipe.features}
    return Prepared(recipe=recipe, dictionaries=dictionaries, units=units)


def _config(body: SteerBody) -> SpeakConfig:
    return SpeakConfig(
        samples=body.samples,
        seed=body.seed,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
    )


def _steered(model: Model, body: SteerBody, prepared: Prepared) -> Iterator[Event | None]:
    prompt, text = tokens_of(model, body.prompt, body.messages)
    config, arms = _config(body), list(dict.fromkeys(body.arms))
    promoted = prepared.promoted(model)
    voices = prepared.voices(arms, config)
    steps = prepared.speak(model, prompt, voices, promoted, config)
    words = next(steps, [])
    yield "start", _start(model, text, prompt, arms, promoted)
    yield from _warnings(prepared, 1.0)
    said = list(words)
    while words:
        yield from (("token", _token_event(word)) for word in words)
        # Whoever else waits has a turn before the next step.
        yield None
        words = next(steps, [])
        said += words
    found = {arm: _metrics(measure(texts_of(said, voices, arm), unit=prepared.unit, seed=config.seed)) for arm in arms}
    yield "metrics", MetricsEvent(arms=found, note=NOTE)


def _swept(model: Model, body: SweepBody, prepared: Prepared) -> Iterator[Event | None]:
    """The cells; None after each step, so that others have their turns while a cell is made."""
    prompt, text = tokens_of(model, body.prompt, body.messages)
    arms: list[ArmName] = [arm for arm in dict.fromkeys(body.arms) if arm != "base"]
    strengths = [one for one in dict.fromkeys(body.strengths) if one != 0]
    cells = sweeping.sweep(model, prompt, prepared, strengths=strengths, arms=arms, config=_config(body))
    first = next(cells)
    yield "start", _start(model, text, prompt, ["base", *arms], prepared.promoted(model))
    yield from _warnings(prepared, max(strengths, key=abs, default=0.0))
    for cell in itertools.chain([first], cells):
        if cell is None:
            yield None
            continue
        sent = SweepCell(strength=cell.strength, arm=cell.arm, texts=list(cell.texts), metrics=_metrics(cell.measures))  # pyright: ignore[reportArgumentType]
        yield "cell", sent


async def streamed(items: AsyncIterator[Event | Waiting | None]) -> StreamingResponse:
    """The stream, begun: what is refused before its first event, so without having waited, is a plain refusal."""
    first = await anext(items)
    return event_response(_from(first, items))


async def _from(first: Event | Waiting | None, items: AsyncIterator[Event | Waiting | None]) -> AsyncIterator[Event]:
    try:
        if first is not None:
            yield _event(first)
        async for item in items:
            if item is not None:
                yield _event(item)
    finally:
        await items.aclose()  # pyright: ignore[reportAttributeAccessIssue]


def _event(item: Event | Waiting) -> Event:
    return ("queue", QueueEvent(place=item.place)) if isinstance(item, Waiting) else item


def _start(model: Model, text: str, prompt: Tokens, arms: Sequence[str], promoted: Sequence[int]) -> StartEvent:
    vocabulary = vocabulary_of(model)
    texts = [vocabulary.text(token) for token in promoted]
    return StartEvent(prompt=text, n_prompt=prompt.ids.shape[1], arms=list(arms), promoted=texts)


def _warnings(prepared: Prepared, factor: float) -> Iterator[Event]:
    for part, text in warnings_of(prepared.recipe, prepared.units, factor=factor):
        yield "warning", WarningEvent(part=part, text=text)


def _token_event(word: Word) -> TokenEvent:
    return TokenEvent(**{name: getattr(word, name) for name in TokenEvent.model_fields})


def _metrics(found: Measures) -> ArmMetrics:
    numbers = {name: EstimateOut(**asdict(getattr(found, name))) for name in ArmMetrics.model_fields if name != "n"}
    return ArmMetrics(n=found.n, **numbers)


def _unit(here: Residents, feature: FeatureName) -> float:
    index = indexes_by_dictionary(here).get(feature.dictionary or "")
    if index is None:
        raise UnknownName(
            f"The strength of {feature} has no unit.",
            f"'{feature.dictionary}' has no index, which knows the feature's largest activation.",
            f"Build one: hooke index {feature.dictionary}",
        )
    maxima = here.index(index).maxima
    if feature.index >= len(maxima):
        raise UnknownName(f"No feature '{feature}'.", f"There are {len(maxima)}.", f"Give 0 to {len(maxima) - 1}.")
    return float(maxima[feature.index])


def _recipe(body: RecipeOut) -> Recipe:
    return from_dict(Recipe, body.model_dump(mode="json"))


def _recipe_out(recipe: Recipe) -> RecipeOut:
    try:
        return RecipeOut.model_validate(to_dict(recipe))
    except ValidationError as error:
        raise BadArtefact(
            f"The recipe '{recipe.name:.80}' is beyond what the microscope takes.",
            f"{error.errors()[0]['msg']}.",
            "Run it with hooke steer --recipe, or mend the file.",
        ) from error
