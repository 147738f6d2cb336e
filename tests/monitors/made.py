"""Monitors to test with: a probe of a tiny model, kept in a lab."""

from typing import Any

from hooke.directions.pooling import Pooling
from hooke.directions.probe import save_probe
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.digests import digests_of
from hooke.monitors.spec import MonitorSpec, Scorer
from hooke.monitors.stream import OpenMonitor, open_monitor
from tests.directions.made import SITE, probe_of

MEAN = Pooling(how="mean")


def spec_of(
    model: Model, lab: Lab, *, pooling: Pooling = MEAN, sites: tuple[str, ...] = (SITE,), **more: Any
) -> MonitorSpec:
    """A monitor of a probe, which is kept in the lab."""
    save_probe(lab, probe_of(model, pooling, sites=sites))
    settings = {"scorers": (Scorer(probe="up"),), "pooling": pooling, "valid_for": digests_of(model)} | more
    return MonitorSpec(name="upward", about="It goes up.", **settings)


def monitor_of(model: Model, lab: Lab, **more: Any) -> OpenMonitor:
    """The same, opened."""
    return open_monitor(spec_of(model, lab, **more), model, lab)
