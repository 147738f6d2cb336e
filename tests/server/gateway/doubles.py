"""Monitors that need no lab: one direction at one site, and one that misbehaves; and how to hear an engine out."""

import queue
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hooke.directions.pooling import How, Pooling
from hooke.monitors.spec import Action, Do, MonitorSpec, Scorer
from hooke.monitors.stream import OpenMonitor, OpenWatch
from hooke.server.gateway.asks import Ask, Ended, Event, Failed, Spoke
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.speech import Speech
from hooke.sites import Site, parse_site


def spec(name: str, *, how: How = "last", action: Action, **settings: Any) -> MonitorSpec:
    """A monitor's spec; its scorer is not looked at by the doubles."""
    return MonitorSpec(
        name=name,
        about="A double.",
        scorers=(Scorer(probe="none"),),
        pooling=Pooling(how=how),
        action=action,
        skip=0,
        **settings,
    )


@dataclass
class Along:
    """Scores a token by its rows along random directions."""

    spec: MonitorSpec
    sites: tuple[Site, ...]
    width: int = 32
    seed: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    def vector(self, site: Site) -> Tensor:
        return torch.randn(self.width, generator=torch.Generator().manual_seed(self.seed + sum(map(ord, str(site)))))

    def scores(self, rows: Mapping[Site, Tensor]) -> Tensor:
        along = torch.stack([rows[site].float() @ self.vector(site) for site in self.sites])
        return along.sum(0)[:, None] + 0.25

    def watch(self) -> OpenWatch:
        return OpenMonitor(self.spec, ()).watch()


class Squared(Along):
    """The same, but not linear, so that it is asked by itself."""

    def scores(self, rows: Mapping[Site, Tensor]) -> Tensor:
        return super().scores(rows) ** 2


class Raising(Along):
    """Fails at every token."""

    def scores(self, rows: Mapping[Site, Tensor]) -> Tensor:
        raise RuntimeError("a monitor that raises")


class Nan(Along):
    """Scores that are no numbers."""

    def scores(self, rows: Mapping[Site, Tensor]) -> Tensor:
        return torch.full((len(next(iter(rows.values()))), 1), float("nan"))


def along(
    name: str,
    *sites: str,
    kind: type[Along] = Along,
    seed: int = 0,
    width: int = 32,
    do: Do = "annotate",
    second: str = "",
    recipe: str = "",
    **settings: Any,
) -> Along:
    """A double that reads these sites."""
    made = spec(name, action=Action(do=do, second=second, recipe=recipe), **settings)
    return kind(made, tuple(map(parse_site, sites)), seed=seed, width=width)


class Listener:
    """Takes an engine's events of one request."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Event] = queue.Queue()
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self._queue.put(event)

    def until(self, kind: type[Event]) -> Event:
        """Wait for an event of a kind."""
        while True:
            event = self._queue.get(timeout=60)
            self.events.append(event)
            if isinstance(event, kind):
                return event
            if isinstance(event, Failed):
                raise event.error

    def end(self) -> Ended:
        """Wait for the end."""
        found = self.until(Ended)
        assert isinstance(found, Ended)
        return found

    @property
    def said(self) -> list[int]:
        return [one.token for event in self.events if isinstance(event, Spoke) for one in event.said]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Spoke))


def ask_of(engine: Engine, ask: Ask) -> tuple[Speech, Listener]:
    """A request that was put."""
    listener = Listener()
    return engine.submit(ask, listener), listener
