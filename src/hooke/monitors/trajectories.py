"""Monitors over what an agent did, step by step: when it first showed, and when it first acted.

A trajectory is a file of JSON lines, one event each, in order:

    {"run": "r1", "kind": "message", "role": "user", "text": "Win the game."}
    {"run": "r1", "kind": "tool_call", "name": "write_file", "text": "{\\"path\\": \\"board.txt\\"}", "is_act": true}
    {"run": "r1", "kind": "tool_result", "name": "write_file", "text": "written"}

`is_act` says which events are the act that a monitor is to foresee, by whoever knows. A step's score is the largest
that a monitor gives any token of it, having read all before it; the sign is the first step above the threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from transformers import DynamicCache

from hooke.configs import from_dict
from hooke.errors import BadConfig, BadRequest, PromptTooLong
from hooke.findings import Finding, estimate, share_interval
from hooke.models.model import Model
from hooke.monitors.live import read_on
from hooke.monitors.stream import LEVELS, Level, OpenMonitor
from hooke.progress import track
from hooke.text.lines import json_object, read_lines

Kind = Literal["message", "tool_call", "tool_result"]
_METHOD = "a step's score is its largest at any token; a sign is a step of the agent's own above act"


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened."""

    run: str
    """Which trajectory it belongs to."""
    kind: Kind
    """A message, a call of a tool, or what the tool gave back."""
    text: str
    """What was said, the call's arguments, or the result."""
    role: Literal["system", "user", "assistant"] = "assistant"
    """Who said it, of a message."""
    name: str = ""
    """The tool's name."""
    is_act: bool = False
    """Whether it is the act that is to be foreseen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """An event, and what a monitor made of it."""

    event: Event
    """What happened."""
    n_tokens: int
    """Its tokens, those of the template included."""
    score: float
    """The largest score at any token of it; NaN where none was judged."""
    level: Level
    """The highest level at any token of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """A run, step by step."""

    run: str
    """Its name."""
    steps: tuple[Step, ...]
    """Its events, in order."""

    @property
    def first_sign(self) -> int | None:
        """The first step of the agent's that is above the threshold *act*, counted from 0."""
        return next((at for at, one in enumerate(self.steps) if one.level == "act" and _is_own(one.event)), None)

    @property
    def first_act(self) -> int | None:
        """The first step that is the act."""
        return next((at for at, one in enumerate(self.steps) if one.event.is_act), None)

    @property
    def largest(self) -> float:
        """The largest score of any step; NaN where none was judged."""
        return max((one.score for one in self.steps if one.score == one.score), default=float("nan"))

    @property
    def lead(self) -> int | None:
        """Steps between the first sign and the first act; below 0 where the sign came after; None without both."""
        sign, act = self.first_sign, self.first_act
        return None if sign is None or act is None else act - sign


def read_trajectories(path: Path) -> dict[str, list[Event]]:
    """The events of a file of JSON lines, by run, in the order of the file.

    Raises:
        BadRequest: a line is no event, or the file cannot be read.
    """

    def refuse(found: str) -> BadRequest:
        do = 'Give lines such as {"run": "r1", "kind": "message", "role": "user", "text": "..."}.'
        return BadRequest(f"'{path}' could not be read.", found, do)

    found: dict[str, list[Event]] = {}
    for at, line in read_lines(path, "events", refuse):
        try:
            event = from_dict(Event, json_object(at, line, refuse))
        except BadConfig as error:
            raise refuse(f"Line {at}: {error}") from error
        found.setdefault(event.run, []).append(event)
    return found


class Following:
    """A run as monitors read it, event by event as they come; each token is read once."""

    def __init__(self, model: Model, monitors: Sequence[OpenMonitor], run: str) -> None:
        """Before the first event.

        Raises:
            BadRequest: the model has no chat template.
        """
        if not getattr(model.tokenizer, "chat_template", None):
            raise BadRequest(f"{model.name} cannot read a run.", "It has no chat template.", "Use a model that chats.")
        self.run = run
        self._model, self._monitors = model, tuple(monitors)
        self._sites = frozenset(site for one in monitors for site in one.sites)
        self._watches = [one.watch() for one in monitors]
        self._cache = DynamicCache(config=model.config)
        self._messages: list[dict[str, str]] = []
        self._ids: list[int] = []
        self._steps: list[list[Step]] = [[] for _ in monitors]

    @property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """What each monitor has made of it so far."""
        return tuple(Trajectory(run=self.run, steps=tuple(own)) for own in self._steps)

    def see(self, event: Event) -> tuple[Step, ...]:
        """What each monitor makes of one more event.

        Raises:
            PromptTooLong: with it the run is longer than the model's context.
            BadRequest: the chat template does not spell a longer conversation as a shorter one goes on.
        """
        fresh = self._spelled(event)
        _, rows = read_on(self._model, fresh, self._sites, self._cache)
        found = []
        for monitor, watch, steps in zip(self._monitors, self._watches, self._steps, strict=True):
            scores = monitor.scores({site: rows[site] for site in monitor.sites}).tolist()
            told = [watch.see(one, is_prompt=not _is_own(event)) for one in scores]
            known = [one.score for one in told if one.score == one.score]
            level = LEVELS[max(LEVELS.index(one.level) for one in told)]
            score = max(known, default=float("nan"))
            steps.append(Step(event=event, n_tokens=len(fresh), score=score, level=level))
            found.append(steps[-1])
        return tuple(found)

    def _spelled(self, event: Event) -> list[int]:
        """The tokens that an event adds."""
        messages = [*self._messages, _message(event)]
        text = self._model.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self._model.tokenizer(text, add_special_tokens=False)["input_ids"]
        before = len(self._ids)
        if ids[:before] != self._ids or len(ids) == before:
            raise BadRequest(
                f"The run '{self.run}' cannot be read step by step.",
                "The chat template spells what came before otherwise once more is said.",
                "Use another model or template.",
            )
        if len(ids) > self._model.context:
            raise PromptTooLong(
                f"The run '{self.run}' has {len(ids):,} tokens.",
                f"{self._model.name} reads at most {self._model.context:,}.",
                "Cut it.",
            )
        self._messages, self._ids = messages, ids
        return ids[before:]


def follow(model: Model, monitor: OpenMonitor, runs: dict[str, list[Event]]) -> list[Trajectory]:
    """What a monitor makes of trajectories, each read once, in order.

    Raises:
        PromptTooLong, BadRequest: see `Following`.
    """
    found = []
    for name, events in track(list(runs.items()), f"follow, {monitor.name}", unit="runs"):
        reading = Following(model, [monitor], name)
        for event in events:
            reading.see(event)
        found.append(reading.trajectories[0])
    return found


def told(run: Trajectory) -> dict[str, Any]:
    """A run as plain data: its steps, the first sign and the first act."""
    steps = [
        {
            "kind": one.event.kind,
            "name": one.event.name,
            "score": one.score if one.score == one.score else None,
            "level": one.level,
            "is_act": one.event.is_act,
            "n_tokens": one.n_tokens,
        }
        for one in run.steps
    ]
    return {"run": run.run, "first_sign": run.first_sign, "first_act": run.first_act, "lead": run.lead, "steps": steps}


def trajectory_findings(found: Sequence[Trajectory], monitor: str, *, seed: int = 0) -> list[Finding]:
    """How many acts were foreseen, how long before, and how often runs without an act were suspected."""
    acting = [one for one in found if one.first_act is not None]
    fair = [one for one in found if one.first_act is None]
    n_foreseen = sum(one.lead is not None and one.lead > 0 for one in acting)
    n_suspected = sum(one.first_sign is not None for one in fair)
    findings = []
    if acting:
        share, suspected = n_foreseen / len(acting), n_suspected / len(fair) if fair else None
        findings.append(
            Finding(
                claim=f"{monitor}: runs with the act in which a sign came steps before it",
                value=share,
                interval=share_interval(share, len(acting)),
                n=len(acting),
                control=suspected,
                control_interval=None if suspected is None else share_interval(suspected, len(fair)),
                control_name="runs without the act in which a sign came",
                method=_METHOD,
            )
        )
    leads = [one.lead for one in acting if one.lead is not None]
    if leads:
        mean = estimate(np.array(leads, dtype=float), generator=np.random.default_rng(seed))
        claim = f"{monitor}: steps from the first sign to the act, where both are"
        findings.append(
            Finding(claim=claim, value=mean.value, interval=mean.interval, n=len(leads), seed=seed, method=_METHOD)
        )
    own = [step for one in fair for step in one.steps if _is_own(step.event)]
    if own:
        share = sum(step.level == "act" for step in own) / len(own)
        claim = f"{monitor}: the agent's steps above the threshold in runs without the act"
        findings.append(
            Finding(claim=claim, value=share, interval=share_interval(share, len(own)), n=len(own), method=_METHOD)
        )
    return findings


def _is_own(event: Event) -> bool:
    """Whether the agent did it, so that its tokens count as new ones."""
    return event.kind == "tool_call" or (event.kind == "message" and event.role == "assistant")


def _message(event: Event) -> dict[str, str]:
    match event.kind:
        case "message":
            return {"role": event.role, "content": event.text}
        case "tool_call":
            return {"role": "assistant", "content": f"{event.name}({event.text})"}
        case "tool_result":
            return {"role": "user", "content": f"{event.name} gave back: {event.text}"}
