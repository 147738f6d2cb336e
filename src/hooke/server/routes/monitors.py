"""Monitors of the lab: what they are and what was measured of them, what another threshold would do, texts scored."""

from datetime import date
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from hooke.dictionaries.load import find_dictionary
from hooke.directions.probe import load_probe
from hooke.errors import BadRequest, HookeError, UnknownName
from hooke.lab import Lab, read_json
from hooke.models.generate import conversation_tokens
from hooke.models.model import Model
from hooke.monitors.attacks import Look
from hooke.monitors.card import card
from hooke.monitors.digests import Digests, digests_of
from hooke.monitors.evaluation import Area, Evaluation, Share, Slice, share_of
from hooke.monitors.live import speak_watched
from hooke.monitors.operating import KnownPeaks, OperatingPoint, known_peaks, operating_point
from hooke.monitors.redteam import Curve, RedTeam
from hooke.monitors.results import load_result, spec_digest
from hooke.monitors.spec import Certificate, MonitorSpec, load_spec, monitor_names
from hooke.monitors.stream import Level, open_monitor
from hooke.server.residents import ClientHere, Residents, ResidentsHere

router = APIRouter(prefix="/api/monitors", tags=["monitors"])

State = Literal["calibrated", "by hand", "expired", "not calibrated", "damaged"]
_WORDS = ("about", "action", "reads", "on_error", "version", "model")
_NUMBERS = ("watch", "act", "expires", "is_match", "recall", "false_alarms")
_NEW = 64
_TEXT = 20_000


class MonitorOut(BaseModel):
    """A monitor of the lab, as a list shows it."""

    name: str
    """Its name."""
    about: str
    """What it is meant to find."""
    state: State
    """Whether its thresholds are to be believed; 'by hand' where nobody measured what they let through."""
    problem: str
    """Why it cannot be read; empty where it can."""
    watch: float | None
    """A score above it is worth a look."""
    act: float | None
    """A score above it starts the action."""
    action: str
    """What is done then."""
    reads: str
    """Whose tokens count."""
    on_error: str
    """What becomes of tokens at which its scorer fails."""
    expires: date | None
    """Last day on which its calibration is taken."""
    version: str
    """Identifies it: the beginning of the spec's digest, as the gateway tells it."""
    model: str
    """The model that it was made for; empty where that is not known."""
    is_match: bool | None
    """Whether the model in memory is that, with tokenizer, template and precision; None where it is not in memory."""
    attacked: bool
    """Whether it was ever attacked."""
    recall: Share | None
    """Share of texts with the concept that it flags, as it was measured."""
    false_alarms: Share | None
    """Share of ordinary texts that it flags."""


class MonitorList(BaseModel):
    """The lab's monitors."""

    items: list[MonitorOut]
    """By name."""
    next: str | None
    """Always null: the list is short."""
    total: int
    """How many there are."""


class CardPart(BaseModel):
    """One part of a monitor's card."""

    title: str
    """Its heading."""
    sentences: list[str]
    """What it says."""
    columns: list[str]
    """Names of a table's columns."""
    rows: list[list[str]]
    """The table."""


class AttackPoint(BaseModel):
    """What is still caught after so many steps."""

    step: int
    """Steps of the attacker."""
    caught: Share
    """Share of the texts that is still flagged at the frozen threshold."""
    behaves: Share
    """Share after which the model says the same next token as without the attack."""
    peak: float | None
    """Mean peak."""


class AttackCurve(BaseModel):
    """One attack over its budget."""

    name: str
    """Which."""
    points: list[AttackPoint]
    """By steps; the first is a prefix that was drawn and never optimised."""


class AttackFamily(BaseModel):
    """Rewordings of one family."""

    name: str
    """Which."""
    recall: Share
    """Share of texts with the concept that are flagged."""
    false_alarms: Share
    """Share of texts without it that are."""


class AttackOut(BaseModel):
    """What is left of a monitor under attack."""

    is_current: bool
    """Whether it is this monitor that was attacked, and not what it was before."""
    threshold: float
    """The frozen threshold."""
    families: list[AttackFamily]
    """The texts as they are, then reworded, least recall first."""
    nothing: AttackPoint | None
    """The attacker who does nothing."""
    curves: list[AttackCurve]
    """Prefixes by their budget."""
    broken_by: list[str]
    """Attacks that leave less than half of what was caught before."""


class MonitorDetail(MonitorOut):
    """All that is known of a monitor."""

    sites: list[str]
    """What scores a token: probes and features."""
    pooling: str
    """How the scores of the tokens so far become one."""
    n_skipped: int
    """Tokens at the start that are never judged."""
    valid_for: Digests
    """What it was made for."""
    traffic: str
    """On which ordinary texts its thresholds were set."""
    made: date | None
    """When."""
    certificates: dict[str, Certificate]
    """What was measured of each threshold."""
    peaks: KnownPeaks
    """Peaks of texts, for the drawing and for other thresholds."""
    middle: float | None
    """Median peak of ordinary texts: where heat begins."""
    is_current: bool
    """Whether it is this monitor that was evaluated, and not what it was before; true where none was."""
    slices: list[Slice]
    """Worst first."""
    areas: list[Area]
    """How well scores part the labelled texts, its own and controls'."""
    attack: AttackOut | None
    """What is left of it under attack; None where nobody tried."""
    card: list[CardPart]
    """Its card."""


class ScoreBody(BaseModel):
    """What is to be scored."""

    text: Annotated[str | None, Field(max_length=_TEXT)] = None
    """A text to read."""
    prompt: Annotated[str | None, Field(max_length=_TEXT)] = None
    """A message to the model, whose answer is watched."""
    max_tokens: Annotated[int, Field(ge=1, le=_NEW)] = 24
    """New tokens at most."""
    force: bool = False
    """Score although the monitor was made for something else, or its calibration is out of date."""


class ScoredText(BaseModel):
    """A text, token by token."""

    tokens: list[str]
    """Its tokens."""
    n_prompt: int
    """How many of them were given."""
    scores: list[float | None]
    """Pooled score of the tokens so far; null before the first that counts."""
    levels: list[Level]
    """Where that is."""
    peak: float | None
    """The largest score at any token that was judged."""
    level: Level
    """The highest level that was reached."""
    watch_at: int | None
    """Token at which it was first at watch, or above."""
    act_at: int | None
    """Token at which it was first at act."""
    is_stopped: bool
    """Whether the monitor ended the answer."""


@router.get("")
def list_monitors(here: ResidentsHere) -> MonitorList:
    """The lab's monitors."""
    items = [_listed(here, name) for name in monitor_names(here.lab)]
    return MonitorList(items=items, next=None, total=len(items))


@router.get("/{monitor}")
def get_monitor(monitor: str, here: ResidentsHere) -> MonitorDetail:
    """One monitor with what was measured of it."""
    spec = load_spec(here.lab, monitor)
    evaluation = load_result(here.lab, monitor, "evaluation", Evaluation)
    peaks, calibration = known_peaks(here.lab, monitor), spec.calibration
    judged = [one for one in peaks.ordinary if one is not None]
    return MonitorDetail(
        **dict(_out(here, spec)),
        sites=[f"probe {one.probe}" if one.probe else ", ".join(one.features) for one in spec.scorers],
        pooling=spec.pooling.how,
        n_skipped=spec.skip + spec.warm_up,
        valid_for=spec.valid_for,
        traffic="" if calibration is None else calibration.traffic,
        made=None if calibration is None else calibration.made,
        certificates={} if calibration is None else calibration.certificates,
        peaks=peaks,
        middle=float(np.median(judged)) if judged else None,
        is_current=evaluation is None or evaluation.spec_digest == spec_digest(spec),
        slices=[] if evaluation is None else list(evaluation.slices),
        areas=[] if evaluation is None else list(evaluation.areas),
        attack=_attack(here.lab, spec),
        card=[
            CardPart(
                title=one.title,
                sentences=list(one.sentences),
                columns=list(one.columns),
                rows=list(map(list, one.rows)),
            )
            for one in card(here.lab, spec)
        ],
    )


@router.get("/{monitor}/at")
def monitor_at(
    monitor: str,
    here: ResidentsHere,
    threshold: float,
    per_day: Annotated[float, Query(ge=0, le=1e12)] = 10_000.0,
    prevalence: Annotated[float, Query(ge=0, le=1)] = 0.001,
) -> OperatingPoint:
    """What another threshold would do: false alarms, recall, alerts a day, and how many of them would be right."""
    if not np.isfinite(threshold):
        raise BadRequest("A threshold is a number.", f"{threshold}.", "Give a finite one.")
    return operating_point(known_peaks(here.lab, monitor), threshold, per_day=per_day, prevalence=prevalence)


@router.post("/{monitor}/score")
async def score_text(monitor: str, body: ScoreBody, here: ResidentsHere, client: ClientHere) -> ScoredText:
    """A text, or a prompt and what the model answers, scored token by token."""
    if (body.text is None) == (body.prompt is None) or not (body.text or body.prompt):
        raise BadRequest("A text or a prompt is scored.", "Found neither, or both.", "Give one of the two.")
    spec = load_spec(here.lab, monitor)
    name = _model_name(here.lab, spec)
    if not name:
        raise UnknownName(f"Nothing says for which model '{monitor}' was made.", "", "Make it again: hooke monitor fit")
    return await here.with_model(name, client, lambda model: _scored(model, here.lab, spec, body))


def _scored(model: Model, lab: Lab, spec: MonitorSpec, body: ScoreBody) -> ScoredText:
    opened = open_monitor(spec, model, lab, force=body.force)
    if body.prompt is not None:
        ids, new = (
            conversation_tokens(model, [{"role": "user", "content": body.prompt}]).ids[0].tolist(),
            body.max_tokens,
        )
    else:
        ids, new = model.tokenize(body.text or "").ids[0].tolist(), 0
    told = list(speak_watched(model, ids, [opened], max_tokens=new))
    readings = [one.readings[0] for one in told]
    places = {level: at for at, one in reversed(list(enumerate(readings))) for level in _reached(one.level)}
    judged = [one.score for one in readings[spec.skip + spec.warm_up :] if one.score == one.score]
    return ScoredText(
        tokens=[str(model.tokenizer.decode([one.token])) for one in told],
        n_prompt=sum(one.is_prompt for one in told),
        scores=[one.score if np.isfinite(one.score) else None for one in readings],
        levels=[one.level for one in readings],
        peak=max(judged, default=None),
        level="act" if "act" in places else "watch" if "watch" in places else "quiet",
        watch_at=places.get("watch"),
        act_at=places.get("act"),
        is_stopped="act" in places and spec.action.do == "stop",
    )


def _reached(level: Level) -> tuple[Level, ...]:
    return {"quiet": (), "watch": ("watch",), "act": ("watch", "act")}[level]


def _listed(here: Residents, name: str) -> MonitorOut:
    try:
        return _out(here, load_spec(here.lab, name))
    except HookeError as error:
        # One that cannot be read is in the list, too: it would look as if it had never been there.
        told = {"name": name, "state": "damaged", "problem": f"{error.asked} {error.found}", "attacked": False}
        return MonitorOut.model_validate({**dict.fromkeys(_WORDS, ""), **dict.fromkeys(_NUMBERS), **told})


def _out(here: Residents, spec: MonitorSpec) -> MonitorOut:
    evaluation = load_result(here.lab, spec.name, "evaluation", Evaluation)
    model = _model_name(here.lab, spec)
    opened = here.peek(model)
    return MonitorOut(
        name=spec.name,
        about=spec.about,
        state=_state(spec),
        problem="",
        watch=spec.watch,
        act=spec.act,
        action=spec.action.do,
        reads=spec.reads,
        on_error=spec.on_error,
        expires=None if spec.calibration is None else spec.calibration.expires,
        version=spec_digest(spec)[:12],
        model=model,
        is_match=None if opened is None else not spec.valid_for.differing(digests_of(opened)),
        attacked=load_result(here.lab, spec.name, "redteam", RedTeam) is not None,
        recall=None if evaluation is None else evaluation.recall,
        false_alarms=None if evaluation is None else evaluation.false_alarms_traffic,
    )


def _state(spec: MonitorSpec) -> State:
    if spec.calibration is None:
        return "not calibrated" if spec.watch is None and spec.act is None else "by hand"
    return "expired" if spec.is_expired() else "calibrated"


def _model_name(lab: Lab, spec: MonitorSpec) -> str:
    """The model that a monitor's scorers were made on; empty where that cannot be told."""
    try:
        if spec.scorers[0].probe:
            return load_probe(lab, spec.scorers[0].probe).made.model
        return str(read_json(find_dictionary(spec.dictionaries[0], lab=lab) / "config.json")["model"])
    except (HookeError, KeyError):
        return ""


def _attack(lab: Lab, spec: MonitorSpec) -> AttackOut | None:
    found = load_result(lab, spec.name, "redteam", RedTeam)
    if found is None:
        return None
    rounds = [(f"{one.level}, fitted anew {at} times", one) for at, one in enumerate(found.rounds)]
    return AttackOut(
        is_current=found.spec_digest == spec_digest(spec),
        threshold=found.threshold,
        families=[
            AttackFamily(name=one.name, recall=one.recall, false_alarms=one.false_alarms)
            for one in (found.as_they_are, *found.families)
        ],
        nothing=None if found.nothing is None else _point(found.nothing),
        curves=[_curve(name, one) for name, one in [*((one.level, one) for one in found.curves), *rounds]],
        broken_by=list(found.broken_by),
    )


def _curve(name: str, curve: Curve) -> AttackCurve:
    return AttackCurve(name=name, points=[_point(one) for one in curve.looks])


def _point(look: Look) -> AttackPoint:
    return AttackPoint(
        step=look.step,
        caught=share_of(look.caught, look.n),
        behaves=share_of(look.behaves, look.n),
        peak=look.peak if np.isfinite(look.peak) else None,
    )
