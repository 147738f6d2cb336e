"""A request of the gateway's own, every minute, in which every monitor must fire: silence is an alert.

Into one short text is added, at a site of each monitor, what raises its score most, so that it must be at act. What
each token must score was computed at the start on the model by itself, without the engine: rows mixed up in the batch,
steering that is not applied and monitors that are no longer asked all show. Its actions are not carried out.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from hooke.errors import HookeError
from hooke.models.edits import Add, Edit
from hooke.models.generate import Sampling, generate_tokens
from hooke.models.model import Model
from hooke.monitors.stream import LEVELS, Monitor
from hooke.server.gateway.asks import Ask, Ended, Event, Failed, Scored
from hooke.server.gateway.logs import log
from hooke.server.gateway.speech import Speaks

TEXT = "The old bridge over the river was built of iron."
EVERY = 60.0
PATIENCE = 30.0
"""Seconds after which a canary that is not through is silent."""
_TOLERANCE = 1e-3
"""Share by which a score may differ: batches round otherwise, and nothing else may."""
_MOST_NEW = 16


@dataclass(frozen=True, slots=True)
class Expected:
    """What a monitor must say of the canary."""

    name: str
    scores: tuple[float, ...]
    """After each token."""
    level: str
    """The highest level."""
    is_planted: bool
    """Whether it must be at act."""


class Canary:
    """The gateway's own request, and how the last one went."""

    def __init__(self, engine: Speaks, monitors: Sequence[Monitor]) -> None:
        model = engine.model
        self._engine, self._monitors = engine, tuple(monitors)
        self._ids = model.tokenize(TEXT).ids[0].tolist()
        self._edits = tuple(edit for monitor in monitors if (edit := planted(model, monitor, self._ids)) is not None)
        n_new = max((one.spec.warm_up + 1 for one in monitors if one.spec.reads == "generated"), default=1)
        self._n_new = min(n_new, _MOST_NEW)
        self.expected = expected(model, self._monitors, self._ids, self._edits, self._n_new)
        self.is_well = True
        """Whether the last one was scored as it must be."""
        self.why = ""
        """What was wrong with it."""
        self.at: float | None = None
        """When it was, on the clock that only goes forward."""

    async def once(self, patience: float = PATIENCE) -> bool:
        """Send one; whether it was scored as it must be."""
        if not self._monitors:
            return True
        loop, events = asyncio.get_running_loop(), asyncio.Queue[Event]()
        ask = Ask(
            ids=tuple(self._ids),
            max_tokens=self._n_new,
            sampling=Sampling(),
            edits=self._edits,
            monitors=self._monitors,
            is_canary=True,
        )
        speech = None
        try:
            async with asyncio.timeout(patience):
                speech = self._engine.submit(ask, lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
                self.why = await self._judged(events)
        except TimeoutError:
            self.why = f"it was not through after {patience:g} s"
        except HookeError as error:
            self.why = str(error)
        finally:
            if speech is not None:
                speech.cancel()
        self.is_well, self.at = not self.why, time.monotonic()
        return self.is_well

    async def watch(self, told: Callable[[bool], None], every: float = EVERY) -> None:
        """Send one again and again; `told` hears how each went."""
        while True:
            is_well = await self.once()
            if not is_well:
                log("canary.silent", logging.ERROR, why=self.why)
            told(is_well)
            await asyncio.sleep(every)

    async def _judged(self, events: "asyncio.Queue[Event]") -> str:
        """What is wrong with the events of one; nothing where all is as it must be."""
        while True:
            event = await events.get()
            if isinstance(event, Failed):
                return f"it failed: {type(event.error).__name__}"
            if isinstance(event, Scored):
                for verdict, own in zip(event.verdicts, self.expected, strict=True):
                    at = own.scores[event.position] if event.position < len(own.scores) else math.nan
                    if not _same(verdict.score, at):
                        return f"{own.name} scored {verdict.score:.6g} at token {event.position}, and must {at:.6g}"
            if isinstance(event, Ended):
                for verdict, own in zip(event.verdicts, self.expected, strict=True):
                    if verdict.n_failed or verdict.level != own.level:
                        return f"{own.name} is at {verdict.level} with {verdict.n_failed} failures, not at {own.level}"
                return ""


def planted(model: Model, monitor: Monitor, ids: Sequence[int]) -> Edit | None:
    """What raises a monitor's score most at its last site, far enough for act; None where nothing does."""
    site = monitor.sites[-1]
    if site.kind == "logits":
        return None
    run = model.run(torch.tensor(list(ids)), capture=monitor.sites)
    rows = {one: run[one][0].flatten(1).float() for one in monitor.sites}
    rows[site] = rows[site].clone().requires_grad_()
    try:
        with torch.enable_grad():
            scores = monitor.scores(rows)[:, 0]
            (slope,) = torch.autograd.grad(scores.sum(), [rows[site]])
    except Exception:  # a scorer that fails, or has no derivative
        return None
    steepest = slope[int(slope.norm(dim=-1).argmax())]
    size = float(steepest.square().sum())
    if not size > 0 or not math.isfinite(size) or not bool(torch.isfinite(scores).all()):
        return None
    act = monitor.spec.act or 0.0
    far = act + abs(act) + 1.0 + 2 * float(scores.detach().abs().max())
    step = (far - float(scores.detach().min())) / size
    return Add(site=str(site), vector=steepest.detach(), scale=step, positions="1:")


def expected(
    model: Model, monitors: Sequence[Monitor], ids: Sequence[int], edits: tuple[Edit, ...], n_new: int
) -> tuple[Expected, ...]:
    """What each monitor says of the canary, on the model by itself."""
    if not monitors:
        return ()
    tokens = model.tokenize(torch.tensor(list(ids)))
    new = [int(one[0]) for one, _ in generate_tokens(model, tokens, edits, n_new, Sampling(), None)]
    sites = {site for one in monitors for site in one.sites}
    run = model.run(torch.tensor([*ids, *new]), capture=sites, edits=edits)
    rows = {site: run[site][0].flatten(1) for site in sites}
    found = []
    for monitor in monitors:
        watch = monitor.watch()
        with torch.no_grad():
            scores = _scores(monitor, rows)
        readings = [watch.see(row, is_prompt=at < len(ids)) for at, row in enumerate(scores)]
        level = LEVELS[max(LEVELS.index(one.level) for one in readings)]
        fires = level == "act" and not any(one.failed for one in readings)
        found.append(Expected(monitor.name, tuple(one.score for one in readings), level, fires))
    return tuple(found)


def _scores(monitor: Monitor, rows: dict) -> list[list[float]]:
    try:
        return monitor.scores({site: rows[site] for site in monitor.sites}).tolist()
    except Exception:  # a monitor of another make than hooke's own
        return [[math.nan]] * len(next(iter(rows.values())))


def _same(found: float, wanted: float) -> bool:
    if math.isnan(found) or math.isnan(wanted):
        return math.isnan(found) and math.isnan(wanted)
    return abs(found - wanted) <= _TOLERANCE * (1 + abs(wanted))
