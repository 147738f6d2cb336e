"""The reference engine: one thread owns a model, and requests join and leave a running batch between steps.

What it says of a request is what `generate` says of it alone, whatever runs beside it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.models.edits import Edit
from hooke.models.generate import choose, end_tokens
from hooke.models.model import Model
from hooke.monitors.stream import Monitor
from hooke.server.gateway.asks import Ask, Emit, Failed, Said
from hooke.server.gateway.batch import Batch, Read, require_batches, require_sites
from hooke.server.gateway.speech import EngineClosed, EngineFull, Gauge, Speech, speech_of
from hooke.server.gateway.verdicts import Bank

_LOG = logging.getLogger(__name__)


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
        speech = speech_of(self.model, self._bank, ask, emit, context=self.model.context)
        speech.generator = self._generator(ask)
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

    def _generator(self, ask: Ask) -> torch.Generator | None:
        if ask.sampling.temperature == 0:
            return None
        generator = torch.Generator(self.model.device)
        if ask.seed is None:
            generator.seed()
        else:
            generator.manual_seed(ask.seed)
        return generator

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
            speech.tell(Failed(error))
        finally:
            self._reading = None

    def _begin(self, speech: Speech, read: Read) -> bool:
        """Score the prompt and choose the first token; whether there is more to do."""
        places = list(range(len(speech.ask.ids)))
        rises = self._score([(speech, places)] if speech.watched else [], read, places, is_prompt=True)
        return speech.begin(rises.get(id(speech), ())) and self._choose(speech, read.logits)

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
        rises = self._score(watching, read, [one.last for one in self._running], is_prompt=False)
        goes_on = []
        for place, speech in enumerate(self._running):
            try:
                going = speech.go_on(rises.get(id(speech), ()))
                if going and self._choose(speech, read.logits[place : place + 1]):
                    goes_on.append(speech)
            except Exception as error:  # such as steering that leaves no numbers to choose by: its own, nobody else's
                speech.tell(Failed(error))
        self._keep(goes_on)

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
        token = int(choose(logits, speech.ask.sampling, speech.generator))
        self.gauge.n_tokens += token not in self._ends
        return speech.say(_said(token, logits, speech.ask.top), self._ends)

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
            speech.tell(Failed(error))


def _said(token: int, logits: Tensor, top: int | None) -> Said:
    if top is None:
        return Said(token)
    log_p = logits[0].float().log_softmax(-1)
    values, ids = log_p.topk(top)
    likeliest = tuple(
        (one, value if isfinite(value) else -1e9) for one, value in zip(ids.tolist(), values.tolist(), strict=True)
    )
    return Said(token, float(log_p[token]), likeliest)
