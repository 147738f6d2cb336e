"""The reference engine: one thread owns a model, and requests join and leave a running batch between steps.

What it says of a request is what `generate` says of it alone, whatever runs beside it. A monitor has scored the prompt
before the first token is chosen, and each token before the one after it; a monitor that may end the answer has scored
a token before anybody sees it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.errors import HookeError, PromptTooLong
from hooke.models.edits import Edit
from hooke.models.generate import choose, end_tokens
from hooke.models.model import Model
from hooke.monitors.stream import Monitor
from hooke.server.gateway.asks import Ask, Began, Emit, Ended, Event, Failed, Reason, Said, Scored, Spoke
from hooke.server.gateway.batch import Batch, Read, require_batches, require_sites
from hooke.server.gateway.pieces import Pieces
from hooke.server.gateway.verdicts import Bank, Verdict, Watched
from hooke.sites import Site

_LOG = logging.getLogger(__name__)


class EngineFull(HookeError):
    """More requests wait than may."""


class EngineClosed(HookeError):
    """The engine takes no more requests."""


@dataclass(eq=False)
class Speech:
    """A request under way; whoever asked holds it to cancel it."""

    ask: Ask
    emit: Emit
    watched: list[Watched]
    pieces: Pieces
    generator: torch.Generator | None
    sites: frozenset[Site]
    holds_back: bool
    said: list[int] = field(default_factory=list)
    held: list[Spoke] = field(default_factory=list)
    ending: Reason | None = None
    """Why it ends once its last token was scored."""
    steered_by: set[str] = field(default_factory=set)
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Nobody wants the rest; the engine drops it before its next step."""
        self.is_cancelled = True

    def verdicts(self) -> tuple[Verdict, ...]:
        """What each monitor says so far."""
        return tuple(one.verdict() for one in self.watched)


@dataclass
class Gauge:
    """What the engine has done since it began."""

    seconds_in_monitors: float = 0.0
    seconds_in_model: float = 0.0
    n_steps: int = 0
    n_tokens: int = 0
    n_cancelled: int = 0


class Engine:
    """Requests in, events out. `submit` and `Speech.cancel` may be called from any thread."""

    def __init__(
        self,
        model: Model,
        *,
        monitors: Sequence[Monitor] = (),
        recipes: Mapping[str, tuple[Edit, ...]] | None = None,
        dictionaries: Sequence[Dictionary] = (),
        max_rows: int = 8,
        max_waiting: int = 32,
        on_step: Callable[[float, int], None] = lambda seconds, rows: None,
    ) -> None:
        require_batches(model)
        for monitor in monitors:
            require_sites(model, monitor.sites, f"The monitor '{monitor.name}'")
        self.model, self.gauge = model, Gauge()
        self._bank = Bank(monitors, model.row_width)
        self._recipes = dict(recipes or {})
        self._max_rows, self._max_waiting = max_rows, max_waiting
        self._on_step = on_step
        self._batch = Batch(model, dictionaries)
        self._running: list[Speech] = []
        self._waiting: deque[Speech] = deque()
        self._reading: Speech | None = None
        """The one whose prompt is read just now: no longer waiting, not yet running."""
        self._changed = threading.Condition()
        self._is_open, self._is_ending = True, False
        self._ends = end_tokens(model)
        self._thread = threading.Thread(target=self._run, name="gateway-engine", daemon=True)
        self._thread.start()

    @property
    def n_running(self) -> int:
        """Requests in the batch."""
        return len(self._running)

    @property
    def n_waiting(self) -> int:
        """Requests that wait for a place in it."""
        return len(self._waiting)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def submit(self, ask: Ask, emit: Emit) -> Speech:
        """Queue a request; `emit` is called from the engine's thread, and must return at once.

        Raises:
            PromptTooLong: prompt and answer exceed the context.
            EngineFull: as many requests wait as may.
            EngineClosed: it takes no more.
        """
        _require_room(self.model, ask)
        speech = self._speech(ask, emit)
        with self._changed:
            if not self._is_open:
                raise EngineClosed("The gateway is ending.", "It takes no more requests.", "Ask another one.")
            if len(self._waiting) >= self._max_waiting and not ask.is_canary:
                raise EngineFull(
                    "The gateway is busy.", f"{len(self._waiting)} requests wait already.", "Try again in a moment."
                )
            (self._waiting.appendleft if ask.is_canary else self._waiting.append)(speech)
            self._changed.notify()
        return speech

    def close(self, grace: float = 0.0) -> None:
        """Take no more requests, give those under way so many seconds to end, then end the thread."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        deadline = time.monotonic() + grace
        while self._has_work() and time.monotonic() < deadline and self.is_alive:
            time.sleep(0.02)
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()

    def _has_work(self) -> bool:
        with self._changed:
            return bool(self._running or self._waiting or self._reading)

    def _speech(self, ask: Ask, emit: Emit) -> Speech:
        generator = None
        if ask.sampling.temperature > 0:
            generator = torch.Generator(self.model.device)
            if ask.seed is None:
                generator.seed()
            else:
                generator.manual_seed(ask.seed)
        return Speech(
            ask=ask,
            emit=emit,
            watched=[self._bank.watched(one) for one in ask.monitors],
            pieces=Pieces(self._decode, ask.stops),
            generator=generator,
            sites=frozenset(site for one in ask.monitors for site in one.sites),
            holds_back=any(one.spec.action.do == "stop" for one in ask.monitors),
        )

    def _decode(self, ids: list[int]) -> str:
        return str(self.model.tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""

    def _run(self) -> None:
        while self._wait():
            self._drop_cancelled()
            try:
                self._admit_one()
                self._step()
            except Exception as error:  # whatever it was, the next request must find the engine whole
                _LOG.exception("a step of the engine failed")
                self._fail_all(error)
        self._fail_all(EngineClosed("The gateway has ended.", "The answer is not whole.", "Ask again."))

    def _wait(self) -> bool:
        with self._changed:
            while self._is_open and not self._waiting and not self._running:
                self._changed.wait()
            return not self._is_ending and bool(self._is_open or self._waiting or self._running)

    def _drop_cancelled(self) -> None:
        with self._changed:
            waiting = deque(one for one in self._waiting if not one.is_cancelled)
            self.gauge.n_cancelled += len(self._waiting) - len(waiting)
            self._waiting = waiting
        self.gauge.n_cancelled += sum(one.is_cancelled for one in self._running)
        self._keep([one for one in self._running if not one.is_cancelled])

    def _admit_one(self) -> None:
        """Read one waiting prompt, and no more, so that those under way wait for one only."""
        with self._changed:
            if not self._waiting or len(self._running) >= self._max_rows:
                return
            speech = self._reading = self._waiting.popleft()
        try:
            began = time.perf_counter()
            prompt = self._batch.read_prompt(speech.ask.ids, speech.ask.edits, speech.sites)
            self.gauge.seconds_in_model += time.perf_counter() - began
            if self._begin(speech, prompt.read):
                self._batch.join(prompt)
                self._running.append(speech)
        except Exception as error:  # its own failure, nobody else's
            _LOG.warning("a request failed: %s", type(error).__name__)
            self._tell(speech, Failed(error))
        finally:
            self._reading = None

    def _begin(self, speech: Speech, read: Read) -> bool:
        """Score the prompt and choose the first token; whether there is more to do."""
        n = len(speech.ask.ids)
        rises = self._score([(speech, list(range(n)))] if speech.watched else [], read, list(range(n)), is_prompt=True)
        self._tell(speech, Began(speech.verdicts()))
        if speech.watched:
            self._tell(speech, Scored(n - 1, speech.verdicts(), tuple(rises.get(id(speech), ()))))
        if self._must_stop(speech):
            return self._end(speech, "content_filter")
        return self._choose(speech, read.logits)

    def _step(self) -> None:
        if not self._running:
            return
        self._steer()
        began = time.perf_counter()
        sites = frozenset(site for one in self._running for site in one.sites)
        read = self._batch.step([one.said[-1] for one in self._running], sites)
        taken = time.perf_counter() - began
        self.gauge.seconds_in_model += taken
        self.gauge.n_steps += 1
        self._on_step(taken, len(self._running))
        watching = [(one, [place]) for place, one in enumerate(self._running) if one.watched]
        positions = [len(one.ask.ids) + len(one.said) - 1 for one in self._running]
        rises = self._score(watching, read, positions, is_prompt=False)
        goes_on = []
        for place, speech in enumerate(self._running):
            if speech.watched:
                self._tell(speech, Scored(positions[place], speech.verdicts(), tuple(rises.get(id(speech), ()))))
            try:
                if self._after(speech, read.logits[place : place + 1]):
                    goes_on.append(speech)
            except Exception as error:  # such as steering that leaves no numbers to choose by: its own, nobody else's
                self._tell(speech, Failed(error))
        self._keep(goes_on)

    def _after(self, speech: Speech, logits: Tensor) -> bool:
        """Once a row's last token was scored: let it go, and choose the next; whether there is more to do."""
        if self._must_stop(speech):
            return self._end(speech, "content_filter")
        for one in speech.held:
            self._tell(speech, one)
        speech.held.clear()
        if speech.ending is not None:
            return self._end(speech, speech.ending)
        return self._choose(speech, logits)

    def _score(
        self,
        watching: Sequence[tuple[Speech, list[int]]],
        read: Read,
        positions: Sequence[int],
        *,
        is_prompt: bool,
    ) -> dict[int, list[str]]:
        """Let the monitors see rows of what was read; names of those that rose, by speech."""
        began = time.perf_counter()
        wanted: dict[str, tuple[Monitor, list[int]]] = {}
        for speech, places in watching:
            for one in speech.watched:
                wanted.setdefault(one.monitor.name, (one.monitor, []))[1].extend(places)
        with torch.no_grad():
            found = self._bank.scores(read.rows, wanted) if wanted else {}
        scores = {name: iter(rows) for name, rows in found.items()}
        rises: dict[int, list[str]] = {}
        for speech, places in watching:
            for one in speech.watched:
                rose = [
                    one.see(next(scores[one.monitor.name]), positions[place], is_prompt=is_prompt) for place in places
                ]
                if any(rose):
                    rises.setdefault(id(speech), []).append(one.monitor.name)
        self.gauge.seconds_in_monitors += time.perf_counter() - began
        return rises

    def _must_stop(self, speech: Speech) -> bool:
        """Whether a monitor ends the answer: its own action, or that of the second monitor that it asks."""
        if speech.ask.is_canary:
            return False
        acting = {one.monitor.name: one for one in speech.watched if one.has_acted}
        seconds = {one.monitor.spec.action.second for one in speech.watched} - {""}
        asked = {one.monitor.spec.action.second for one in acting.values()}
        for name, one in acting.items():
            counts = name not in seconds or name in asked
            if counts and one.monitor.spec.action.do == "stop":
                return True
        return False

    def _steer(self) -> None:
        """Put the recipes of monitors that have acted into force, from the next token on."""
        for place, speech in enumerate(self._running):
            for one in speech.watched:
                recipe = one.monitor.spec.action.recipe
                if recipe and one.has_acted and not speech.ask.is_canary and recipe not in speech.steered_by:
                    speech.steered_by.add(recipe)
                    self._batch.add_edits(place, self._recipes[recipe])

    def _choose(self, speech: Speech, logits: Tensor) -> bool:
        """Choose a token; whether there is more to do."""
        ask = speech.ask
        if ask.max_tokens == 0:
            return self._end(speech, "length")
        token = int(choose(logits, ask.sampling, speech.generator))
        if token in self._ends:
            return self._end(speech, "stop")
        speech.said.append(token)
        self.gauge.n_tokens += 1
        text, is_stopped = speech.pieces.add(token)
        spoke = Spoke(text, (_said(token, logits, ask.top),))
        if speech.holds_back:
            speech.held.append(spoke)
        else:
            self._tell(speech, spoke)
        if is_stopped:
            speech.ending = "stop"
        elif len(speech.said) >= ask.max_tokens:
            speech.ending = "length"
        # The last token is scored, too, before the answer ends.
        if speech.ending is not None and not speech.watched:
            return self._end(speech, speech.ending)
        return True

    def _end(self, speech: Speech, reason: Reason) -> bool:
        rest = "" if reason == "content_filter" or speech.ending == "stop" else speech.pieces.rest()
        if rest:
            self._tell(speech, Spoke(rest, ()))
        n_shown = len(speech.said) - (len(speech.held) if reason == "content_filter" else 0)
        self._tell(speech, Ended(reason, len(speech.ask.ids), n_shown, speech.verdicts()))
        return False

    def _keep(self, speeches: list[Speech]) -> None:
        if len(speeches) < len(self._running):
            chosen = {id(one) for one in speeches}
            self._batch.keep([place for place, one in enumerate(self._running) if id(one) in chosen])
            self._running = speeches

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            lost = [*self._running, *(self._waiting if self._is_ending else ())]
            if self._is_ending:
                self._waiting.clear()
        self._keep([])
        for speech in lost:
            self._tell(speech, Failed(error))

    @staticmethod
    def _tell(speech: Speech, event: Event) -> None:
        if speech.is_cancelled:
            return
        try:
            speech.emit(event)
        except Exception:  # whoever listened has gone
            speech.cancel()


def _said(token: int, logits: Tensor, top: int | None) -> Said:
    if top is None:
        return Said(token)
    log_p = logits[0].float().log_softmax(-1)
    values, ids = log_p.topk(top)
    likeliest = tuple(
        (one, value if isfinite(value) else -1e9) for one, value in zip(ids.tolist(), values.tolist(), strict=True)
    )
    return Said(token, float(log_p[token]), likeliest)


def _require_room(model: Model, ask: Ask) -> None:
    if not ask.ids or len(ask.ids) + ask.max_tokens > model.context:
        raise PromptTooLong(
            f"The prompt has {len(ask.ids)} tokens and {ask.max_tokens} more were asked for.",
            f"{model.name} reads at most {model.context} in all.",
            f"Ask for at most {max(model.context - len(ask.ids), 0)}.",
        )
