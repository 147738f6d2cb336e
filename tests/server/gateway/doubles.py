"""Monitors that need no lab: one direction at one site, and one that misbehaves; and how to hear an engine out."""

import queue
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hooke.directions.pooling import Pooling
from hooke.monitors.spec import Action, MonitorSpec, Scorer
from hooke.monitors.stream import OpenMonitor, OpenWatch
from hooke.server.gateway.asks import Ask, Ended, Event, Failed, Spoke
from hooke.server.gateway.engine import Engine
from hooke.server.gateway.speech import Speech
from hooke.sites import Site, parse_site


def spec(
    name: str, *, act: float | None = None, do: str = "annotate", how: str = "last", **settings: object
) -> MonitorSpec:
    """A monitor's spec; its scorer is not looked at by the doubles."""
    action = Action(do=do, **{key: settings.pop(key) for key in ("second", "recipe") if key in settings})  # pyright: ignore
    return MonitorSpec(
        name=name, about="A double.", scorers=(Scorer(probe="none"),), pooling=Pooling(how=how), act=act, action=action,
        skip=0, **settings,
    )  # fmt: skip  # pyright: ignore


@dataclass
class Along:
    """Scores a token by its rows along random directions, and keeps every row that it saw."""

    spec: MonitorSpec
    sites: tuple[Site, ...]
    width: int = 32
    seed: int = 0
    seen: list[dict[Site, Tensor]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.spec.name

    def vector(self, site: Site) -> Tensor:
        return torch.randn(self.width, generator=torch.Generator().manual_seed(self.seed + site.depth))

    def scores(self, rows: Mapping[Site, Tensor]) -> Tensor:
        self.seen.append({site: rows[site].detach().clone() for site in self.sites})
        return sum(rows[site].float() @ self.vector(site) for site in self.sites)[:, None] + 0.25

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
    name: str, *sites: str, kind: type[Along] = Along, seed: int = 0, width: int = 32, **settings: object
) -> Along:
    """A double that reads these sites."""
    return kind(spec(name, **settings), tuple(map(parse_site, sites)), seed=seed, width=width)  # pyright: ignore


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
