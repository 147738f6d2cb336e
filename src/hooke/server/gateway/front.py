"""What a gateway has open, and what becomes of one request between its words and its answer."""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal, TypeVar

import torch

from hooke.errors import BadConfig, BadRequest, UnknownName, did_you_mean
from hooke.lab import Lab
from hooke.models.edits import Edit
from hooke.models.generate import Sampling, conversation_tokens
from hooke.models.model import Model
from hooke.monitors.audit_log import AuditLog
from hooke.monitors.digests import digests_of
from hooke.monitors.stream import Monitor
from hooke.server.gateway.asks import Ask, Began, Ended, Event, Failed, Scored, Spoke
from hooke.server.gateway.canary import Canary
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.feed import Feed
from hooke.server.gateway.keys import Key, Ring
from hooke.server.gateway.logs import log_verdict, plain
from hooke.server.gateway.metrics import Counts
from hooke.server.gateway.rates import Rates
from hooke.server.gateway.refusals import Forbidden, TooOften
from hooke.server.gateway.speech import EngineClosed, Speech
from hooke.server.gateway.steering import Registered, register
from hooke.server.gateway.verdicts import Verdict
from hooke.server.gateway.vllm_engine import VllmEngine
from hooke.server.gateway.warned import Warned, of_fields, of_monitor
from hooke.server.gateway.words import ChatBody, Steer, TextBody, ignored_fields, refuse_unsupported

T = TypeVar("T")
MAX_NEW = 1024
"""Tokens of one answer at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Applied:
    """Steering that was applied."""

    name: str
    """The recipe's."""
    strength: float
    """Factor on all that it does."""
    dose: float
    """How long what it adds is, as a share of the stream's own length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A request that was understood."""

    ask: Ask
    """What the engine is asked."""
    applied: tuple[Applied, ...]
    """Steering in force."""
    digest: str
    """Of the prompt, salted, so that nobody finds a text by guessing it."""
    names_limit: bool = True
    """Whether the request said how long the answer may be."""
    warnings: tuple[Warned, ...] = ()
    """Of its words."""


class Gateway:
    """What is open. Except for `prepare`, which may take a while, all of it is for the loop's thread."""

    def __init__(
        self,
        lab: Lab,
        model: Model,
        *,
        monitors: Sequence[Monitor] = (),
        offered: Sequence[Monitor] = (),
        steering: Sequence[str] = (),
        audit: AuditLog | None = None,
        max_rows: int = 8,
        max_waiting: int = 32,
        max_new: int = MAX_NEW,
        engine: Literal["reference", "vllm"] = "reference",
    ) -> None:
        self.lab, self.model, self.audit, self.max_new = lab, model, audit, max_new
        self.always = {one.name: one for one in monitors}
        self.monitors = self.always | {one.name: one for one in offered}
        seconds = {one.spec.action.second for one in self.monitors.values()} - {"", *self.monitors}
        if seconds:
            raise BadConfig(
                "A monitor asks a second one that is not there.",
                f"Missing: {', '.join(sorted(seconds))}.",
                f"Start it with --offer {min(seconds)}",
            )
        self.recipes = {one.recipe.name: one for one in (register(words, model, lab) for words in steering)}
        own = {one.spec.action.recipe for one in self.monitors.values()} - {""}
        reactions = {name: self.recipes.get(name) or register(name, model, lab) for name in own}
        known = {
            name: one
            for each in (*self.recipes.values(), *reactions.values())
            for name, one in each.dictionaries.items()
        }
        self.reactions = {name: min(max(1.0, one.low), one.high) for name, one in reactions.items()}
        """Strengths at which monitors steer, by recipe."""
        found = digests_of(model)
        self.standing = {name: of_monitor(lab, one.spec, found) for name, one in self.monitors.items()}
        """What is warned of each monitor, whatever the request."""
        self.ring, self.rates, self.counts = Ring(lab), Rates(), Counts()
        self.feed = Feed(self.counts.dropped_events.inc)
        self.engine = (VllmEngine if engine == "vllm" else Engine)(
            model,
            monitors=tuple(self.monitors.values()),
            recipes={name: one.edits(self.reactions[name]) for name, one in reactions.items()},
            dictionaries=tuple(known.values()),
            max_rows=max_rows,
            max_waiting=max_waiting,
            on_step=lambda seconds, rows: self.counts.step.observe(seconds),
        )
        self.canary = Canary(self.engine, tuple(self.monitors.values()))
        self.is_closing = False
        self._salt = secrets.token_bytes(16)
        self._words = ThreadPoolExecutor(1, thread_name_prefix="gateway-words")
        self._log = ThreadPoolExecutor(1, thread_name_prefix="gateway-log")

    async def prepare(self, body: ChatBody | TextBody, key: Key) -> Prepared:
        """A request's words, understood.

        Raises:
            UnknownName: there is no such model, monitor or recipe.
            Forbidden: the key may not do this.
            BadRequest, PromptTooLong: the words are wrong, or too many.
        """
        return await asyncio.get_running_loop().run_in_executor(self._words, self._prepare, body, key)

    def _prepare(self, body: ChatBody | TextBody, key: Key) -> Prepared:
        if body.model != self.model.name:
            raise UnknownName(
                f"There is no model '{body.model:.80}' here.", "", f"This gateway serves '{self.model.name}'."
            )
        refuse_unsupported(body)
        monitors = self._monitors_of(body.hooke.monitors, key)
        applied, edits = self._steering_of(body.hooke.steering, key)
        ids = self._ids(body)
        room = max(min(self.model.context - len(ids), self.max_new), 0)
        if body.most is not None and body.most > self.max_new:
            raise BadRequest(f"{body.most} new tokens are too many.", "", f"Ask for at most {self.max_new}.")
        ask = Ask(
            ids=ids,
            max_tokens=room if body.most is None else body.most,
            sampling=Sampling(
                temperature=1.0 if body.temperature is None else body.temperature,
                top_p=1.0 if body.top_p is None else body.top_p,
            ),
            seed=body.seed,
            stops=body.stops,
            top=body.top,
            edits=edits,
            monitors=monitors,
        )
        return Prepared(
            ask=ask,
            applied=applied,
            digest=self._digest(ids),
            names_limit=body.most is not None,
            warnings=of_fields(ignored_fields(body)),
        )

    def _ids(self, body: ChatBody | TextBody) -> tuple[int, ...]:
        if isinstance(body, TextBody) and isinstance(body.prompt, list) and isinstance(body.prompt[0], int):
            return tuple(self.model.tokenize(torch.tensor(_numbers(body.prompt))).ids[0].tolist())
        if isinstance(body, TextBody):
            text = body.prompt if isinstance(body.prompt, str) else str(body.prompt[0])
            return tuple(self.model.tokenize(_clean(text)).ids[0].tolist())
        roles = {"developer": "system"}
        messages = [{"role": roles.get(one.role, one.role), "content": _clean(one.text)} for one in body.messages]
        return tuple(conversation_tokens(self.model, messages).ids[0].tolist())

    def _monitors_of(self, names: Sequence[str], key: Key) -> tuple[Monitor, ...]:
        chosen = dict(self.always)
        for name in names:
            found = _find(self.monitors, name, "monitor")
            if name not in self.always and not key.may_monitor(name):
                raise Forbidden(f"The key '{key.name}' may not ask for the monitor '{name}'.", "", "Ask the operator.")
            chosen[name] = found
        for one in list(chosen.values()):
            if one.spec.action.second:
                chosen[one.spec.action.second] = self.monitors[one.spec.action.second]
        return tuple(chosen.values())

    def _steering_of(self, steps: Sequence[Steer], key: Key) -> tuple[tuple[Applied, ...], tuple[Edit, ...]]:
        applied, edits = [], []
        for step in steps:
            found: Registered = _find(self.recipes, step.name, "recipe")
            if not key.may_steer(step.name):
                raise Forbidden(f"The key '{key.name}' may not steer by '{step.name}'.", "", "Ask the operator.")
            if abs(step.strength) > key.max_strength:
                raise Forbidden(
                    f"The key '{key.name}' may not steer at strength {step.strength:g}.",
                    f"It may up to {key.max_strength:g}.",
                    "Give less.",
                )
            edits.extend(found.edits(step.strength))
            applied.append(Applied(name=step.name, strength=step.strength, dose=found.dose * abs(step.strength)))
        return tuple(applied), tuple(edits)

    def _digest(self, ids: Sequence[int]) -> str:
        return sha256(self._salt + repr(tuple(ids)).encode()).hexdigest()[:32]

    def begin_turn(self, key: Key) -> None:
        """Count a request against its key's limits, until `rates.give_back`.

        Raises:
            TooOften: it asks more often than it may.
            EngineClosed: the gateway is ending.
        """
        if self.is_closing:
            raise EngineClosed("The gateway is ending.", "It takes no more requests.", "Ask another one.")
        wait = self.rates.take(key)
        if wait:
            raise TooOften(
                f"The key '{key.name}' asks too often.",
                f"It may ask {key.per_minute} times a minute, {key.at_once} at once.",
                "Try again later.",
                seconds=wait,
            )

    async def record(self, event: str, body: dict[str, Any], *, text: str | None = None) -> None:
        """Add an entry to the audit log; it is on the disk when this returns.

        Raises:
            OutOfSpace: the disk is full.
        """
        if self.audit is not None:
            audit = self.audit
            await asyncio.get_running_loop().run_in_executor(
                self._log, lambda: audit.append(event, plain(body), text=text)
            )

    def heard_canary(self, is_well: bool) -> None:
        """Count a canary, and tell those who listen where it was silent."""
        self.counts.canaries.labels("well" if is_well else "silent").inc()
        self.counts.canary_is_well.set(is_well)
        if not is_well:
            self.feed.tell("", {"kind": "canary", "is_well": False, "why": self.canary.why})

    def close(self, grace: float = 0.0) -> None:
        """End the engine and the readers' streams."""
        self.is_closing = True
        self.engine.close(grace)
        self._words.shutdown()
        self._log.shutdown()
        if self.audit is not None:
            self.audit.anchor()
            self.audit.close()


@dataclass(eq=False)
class Hearing:
    """One request's events, from the engine's thread to the loop; counted and told to the side stream as they come."""

    gateway: Gateway
    request: str
    key: Key
    prepared: Prepared
    began: float = field(default_factory=time.perf_counter)
    speech: Speech | None = None
    said: list[int] = field(default_factory=list)
    verdicts: tuple[Verdict, ...] = ()
    reason: str = "cancelled"
    is_over: bool = False
    """Whether the answer is whole."""
    is_recorded: bool = False
    """Whether the log has its end."""
    _events: "asyncio.Queue[Event]" = field(default_factory=asyncio.Queue)
    _has_spoken: bool = False

    def begin(self) -> None:
        """Put the request to the engine.

        Raises:
            EngineFull, EngineClosed, PromptTooLong: see `Engine.submit`.
        """
        loop = asyncio.get_running_loop()
        self.speech = self.gateway.engine.submit(
            self.prepared.ask, lambda event: loop.call_soon_threadsafe(self._arrive, event)
        )

    async def next(self) -> Event:
        """The next event."""
        return await self._events.get()

    async def record_begin(self) -> None:
        """Log that the request came.

        Raises:
            OutOfSpace: the disk is full.
        """
        await self.gateway.record(
            "request",
            {
                "request": self.request,
                "key": self.key.name,
                "model": self.gateway.model.name,
                "prompt_digest": self.prepared.digest,
                "n_prompt": len(self.prepared.ask.ids),
                "monitors": [one.name for one in self.prepared.ask.monitors],
                "steering": [asdict(one) for one in self.prepared.applied],
            },
        )

    async def record_end(self) -> None:
        """Log, once, what the monitors say of it, and how it ended.

        Raises:
            OutOfSpace: the disk is full.
        """
        if self.is_recorded:
            return
        self.is_recorded = True
        for verdict in self.verdicts:
            log_verdict(self.request, self.gateway.model.name, verdict)
            text, body = None, {"request": self.request} | asdict(verdict)
            if verdict.action == "log" and verdict.act_at is not None:
                text, body["text_at"] = self._context(verdict)
            await self.gateway.record("verdict", body, text=text)
        await self.gateway.record("answer", {"request": self.request, "reason": self.reason, "n_new": len(self.said)})

    def close(self) -> None:
        """Nobody listens any more: the engine drops what is left of it."""
        if self.speech is not None:
            self.speech.cancel()

    def _arrive(self, event: Event) -> None:
        counts = self.gateway.counts
        match event:
            case Began():
                counts.prompt_tokens.inc(len(self.prepared.ask.ids))
                for one in self.prepared.applied:
                    counts.steering.labels(one.name).inc()
                self.verdicts = event.verdicts
                self._tell("began", n_prompt=len(self.prepared.ask.ids))
            case Spoke():
                if not self._has_spoken:
                    self._has_spoken = True
                    counts.first_token.observe(time.perf_counter() - self.began)
                self.said.extend(one.token for one in event.said)
                counts.new_tokens.inc(len(event.said))
            case Scored():
                self.verdicts = event.verdicts
                self._tell_scores(event)
            case Ended():
                self.verdicts, self.reason, self.is_over = event.verdicts, event.reason, True
                counts.answers.labels(event.reason).inc()
                for verdict in event.verdicts:
                    counts.saw(verdict)
                self._tell("ended", reason=event.reason, n_new=event.n_new, verdicts=list(map(asdict, event.verdicts)))
            case Failed():
                self.reason = "failed"
                counts.answers.labels("failed").inc()
                self._tell("failed", error=type(event.error).__name__)
        self._events.put_nowait(event)

    def _tell_scores(self, event: Scored) -> None:
        if not self.gateway.feed.has_readers:
            return
        scores = {one.name: one.score for one in event.verdicts}
        along = {"prompt": {name: list(one) for name, one in event.along.items()}} if event.along else {}
        self._tell("scored", position=event.position, scores=scores, **along)
        for one in event.verdicts:
            if one.name in event.rises:
                self._tell("rose", position=event.position, verdict=asdict(one))

    def _tell(self, kind: str, **fields: Any) -> None:
        if self.gateway.feed.has_readers:
            self.gateway.feed.tell(
                self.key.name, plain({"kind": kind, "request": self.request, "time": time.time(), **fields})
            )

    def _context(self, verdict: Verdict) -> tuple[str, int]:
        """The text around the token at which a monitor acted, and where in it that token begins."""
        ids, at = [*self.prepared.ask.ids, *self.said], verdict.act_at or 0
        n = self.gateway.monitors[verdict.name].spec.action.context
        start, decode = max(at - n, 0), self.gateway.model.tokenizer.decode
        return str(decode(ids[start : at + n + 1])), len(str(decode(ids[start:at])))


def _find(known: Mapping[str, T], name: str, what: str) -> T:
    if name not in known:
        near = did_you_mean(name, known)
        raise UnknownName(
            f"There is no {what} '{name:.80}' here.", near, "See /v1/hooke/monitors and /v1/hooke/steering."
        )
    return known[name]


def _clean(text: str) -> str:
    """A text that can be written: half of a pair of surrogates cannot.

    Raises:
        BadRequest: it cannot.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("The text holds half of a character.", "A surrogate without its other half.", "") from None
    return text


def _numbers(ids: Sequence[Any]) -> list[int]:
    if any(not -(2**62) < one < 2**62 for one in ids):
        raise BadRequest("A token's number is outside the vocabulary.", "", "Use the model's own tokenizer.")
    return [int(one) for one in ids]
