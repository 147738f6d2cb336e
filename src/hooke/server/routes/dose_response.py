"""The dose-response of a recipe over HTTP: each dose in a turn of the model's, then all of it."""

from collections.abc import Iterator
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from hooke.directions.response import Dose, DoseResponse, Limits, Usable
from hooke.directions.steer import recipe_steps
from hooke.directions.steer_config import SteerConfig
from hooke.directions.sweep import Prepared
from hooke.directions.typical_norm import HELD_OUT, held_out
from hooke.directions.usable import failures
from hooke.findings import Estimate
from hooke.models.model import Model
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.steering import EstimateOut, Event, QueueEvent, RecipeOut, prepared_of, streamed

router = APIRouter(prefix="/api", tags=["steering"])


class DoseBody(BaseModel):
    """A recipe to measure."""

    model: str
    """The model."""
    recipe: RecipeOut
    """What to change."""
    strengths: list[float] = Field(default=[0.25, 0.5, 1.0, 1.5, 2.0], min_length=1, max_length=12)
    """Factors on the recipe's own strengths."""
    n_controls: int = Field(default=3, ge=0, le=8)
    """Copies of the recipe with random directions of the same norm."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the random directions and of the bootstrap."""


class DoseOut(BaseModel):
    """One arm at one strength."""

    strength: float
    """Factor on the recipe's strengths."""
    relative: float | None
    """Length of the change, as a share of the stream's median length."""
    gain: EstimateOut
    """Rise in probability of the arm's own promoted tokens, on other prompts than they were chosen on."""
    wrong_way: EstimateOut
    """Share of these prompts on which it moved the other way."""
    perplexity_ratio: EstimateOut
    """Perplexity of held-out text, beside that without the edit."""
    kl: EstimateOut
    """Divergence from the unedited model on that text, nats per token."""
    distinct: EstimateOut
    """Share of distinct pairs of the continuations."""
    continuation: str
    """How the model goes on with the example prompt."""
    failures: list[str]
    """Of a dose of the recipe, what keeps it from being usable: effect, perplexity, KL, repetition."""


class ArmDoses(BaseModel):
    """An arm at all strengths."""

    name: str
    """The recipe, or a random one."""
    promoted: list[str]
    """Its tokens."""
    doses: list[DoseOut]
    """In the order of the strengths."""


class UsableOut(BaseModel):
    """Between which doses the recipe can be used."""

    low: float | None
    """The smallest in size; null where there is none."""
    high: float | None
    """The largest in size."""
    reason: str
    """What decided it."""
    gain_limit: float
    """The gain must surely exceed this, and all that random directions reach."""
    perplexity_limit: float
    """Rise in perplexity, as a share, that it must surely stay below."""
    kl_limit: float
    """Divergence that it must surely stay below, nats per token."""
    distinct_limit: float
    """Fall in distinct pairs that it must not surely exceed."""


class DoseProgress(BaseModel):
    """Event 'dose', after each."""

    done: int
    """Doses that are measured."""
    total: int
    """Doses in all, the random ones' included."""


class ResponseEvent(BaseModel):
    """Event 'response', the last."""

    outcome: str
    """steers, steers at a cost, does not steer."""
    reason: str
    """The numbers that decided it."""
    treated: ArmDoses
    """The recipe."""
    controls: list[ArmDoses]
    """Random ones."""
    usable: UsableOut
    """Between which doses it can be used."""
    prompt: str
    """The example prompt."""
    baseline_continuation: str
    """How the model goes on with it by itself."""
    baseline_perplexity: EstimateOut
    """Of the held-out text."""
    baseline_distinct: EstimateOut
    """Share of distinct pairs without an edit."""
    n_prompts: int
    """Prompts that gains are over."""
    n_windows: int
    """Windows that perplexity and divergence are over."""
    n_continued: int
    """Continuations that distinct pairs are over."""
    text: str
    """Where the held-out text is from."""


class DoseEvents(BaseModel):
    """The events of a dose-response, by name; declared so that their shapes are in the schema."""

    queue: QueueEvent
    """While the model is busy for others."""
    dose: DoseProgress
    """After each dose."""
    response: ResponseEvent
    """Last, before 'end'."""


@router.post(
    "/steer/dose-response",
    response_class=StreamingResponse,
    responses={200: {"model": DoseEvents, "description": "Server-sent events, each with the data of its name."}},
)
async def measure_doses(
    body: Annotated[DoseBody, Body()], here: ResidentsHere, client: ClientHere
) -> StreamingResponse:
    """A recipe measured dose by dose beside random ones; events queue, dose, response, then end."""
    prepared = await run_sync(lambda: prepared_of(here, body.recipe))
    return await streamed(here.stream_with_model(body.model, client, lambda model: _measured(model, body, prepared)))


def _measured(model: Model, body: DoseBody, prepared: Prepared) -> Iterator[Event | None]:
    strengths = tuple(one for one in dict.fromkeys(body.strengths) if one != 0)
    config = SteerConfig(strengths=strengths, n_controls=body.n_controls, seed=body.seed)
    total = len(strengths) * (1 + body.n_controls)
    steps = recipe_steps(model, prepared, held_out(model), text_name=HELD_OUT, config=config)
    for done, found in enumerate(steps, 1):
        if found is not None:
            yield "response", _response(found)
        else:
            yield "dose", DoseProgress(done=done, total=total)
            # Whoever else waits has a turn before the next dose.
            yield None


def _response(found: DoseResponse) -> ResponseEvent:
    marks = [
        list(failures(dose, [arm.doses[place] for arm in found.controls], found.limits))
        for place, dose in enumerate(found.treated.doses)
    ]
    none: list[list[str]] = [[] for _ in marks]
    arms = [(found.treated, marks), *((arm, none) for arm in found.controls)]
    treated, *controls = [
        ArmDoses(
            name=arm.name,
            promoted=[one.text for one in arm.promoted],
            doses=[_dose(dose, failed) for dose, failed in zip(arm.doses, own, strict=True)],
        )
        for arm, own in arms
    ]
    return ResponseEvent(
        outcome=found.verdict.outcome,
        reason=found.verdict.reason,
        treated=treated,
        controls=controls,
        usable=_usable(found.usable, found.limits),
        prompt=found.prompt,
        baseline_continuation=found.baseline_continuation,
        baseline_perplexity=_estimate(found.baseline_perplexity),
        baseline_distinct=_estimate(found.baseline_distinct),
        n_prompts=found.n_prompts,
        n_windows=found.n_windows,
        n_continued=found.n_continued,
        text=found.text,
    )


def _dose(dose: Dose, failed: list[str]) -> DoseOut:
    return DoseOut(
        strength=dose.strength,
        relative=dose.relative,
        gain=_estimate(dose.gain),
        wrong_way=_estimate(dose.wrong_way),
        perplexity_ratio=_estimate(dose.perplexity_ratio),
        kl=_estimate(dose.kl),
        distinct=_estimate(dose.distinct),
        continuation=dose.continuation,
        failures=failed,
    )


def _usable(found: Usable, limits: Limits) -> UsableOut:
    return UsableOut(
        low=found.low,
        high=found.high,
        reason=found.reason,
        gain_limit=limits.gain,
        perplexity_limit=limits.perplexity,
        kl_limit=limits.kl,
        distinct_limit=limits.distinct,
    )


def _estimate(found: Estimate) -> EstimateOut:
    return EstimateOut(value=found.value, low=found.interval[0], high=found.interval[1])
