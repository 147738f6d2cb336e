"""What monitors say of one request, token by token; of all monitors that are linear in one product for each site."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.configs import content_hash, to_dict
from hooke.models.architectures import relative_error, tolerance
from hooke.monitors.calibrate import chance
from hooke.monitors.spec import MonitorSpec
from hooke.monitors.stream import LEVELS, Level, Monitor, Reading, Watch
from hooke.sites import Site

Rows = Mapping[Site, Float[Tensor, "token width"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one monitor says of a request so far."""

    name: str
    """The monitor's name."""
    version: str
    """Identifies what it is: digest of its spec."""
    score: float
    """Pooled score at the last token; NaN before the first that counts."""
    peak: float
    """The largest at any token so far."""
    level: Level
    """The highest level that was reached."""
    watch: float | None
    """Threshold of the level watch."""
    act: float | None
    """Threshold of the level act."""
    probability: float | None
    """Of the peak, by the calibration's map, where there is one."""
    watch_at: int | None
    """Position of the token at which it was first at watch, or above."""
    act_at: int | None
    """Position of the token at which it was first at act."""
    n_failed: int
    """Tokens at which its scorer failed."""
    action: str
    """What it does at act."""


@dataclass(slots=True)
class Watched:
    """One monitor on one request."""

    monitor: Monitor
    version: str
    state: Watch
    reading: Reading | None = None
    highest: int = 0
    n_failed: int = 0
    at: dict[str, int] = field(default_factory=dict)
    along: list[float] = field(default_factory=list)
    """Pooled score at each token of the prompt."""

    def see(self, scores: Sequence[float], position: int, *, is_prompt: bool) -> bool:
        """Take one token in; whether the monitor is at its level for the first time."""
        reading = self.reading = self.state.see(scores, is_prompt=is_prompt)
        self.n_failed += reading.failed
        if is_prompt:
            self.along.append(reading.score)
        rank = LEVELS.index(reading.level)
        for level in LEVELS[1 : rank + 1]:
            self.at.setdefault(level, position)
        self.highest = max(self.highest, rank)
        return reading.is_first

    @property
    def has_acted(self) -> bool:
        """Whether it was at act at any token."""
        return "act" in self.at

    def verdict(self) -> Verdict:
        """What it says so far."""
        spec = self.monitor.spec
        peak = self.state.peak
        return Verdict(
            name=self.monitor.name,
            version=self.version,
            score=self.reading.score if self.reading else float("nan"),
            peak=peak,
            level=LEVELS[self.highest],
            watch=spec.watch,
            act=spec.act,
            probability=probability_of(spec, peak),
            watch_at=self.at.get("watch"),
            act_at=self.at.get("act"),
            n_failed=self.n_failed,
            action=spec.action.do,
        )


def version_of(spec: MonitorSpec) -> str:
    """Identifies what a monitor is: equal for equal specs."""
    return content_hash(to_dict(spec))[:12]


def probability_of(spec: MonitorSpec, score: float) -> float | None:
    """A score on the calibration's map, where there is one."""
    if spec.calibration is None or not spec.calibration.probability or score != score:
        return None
    return chance(spec.calibration.probability, score)


class Bank:
    """All monitors that may be asked for. Those that are linear share one product for each site."""

    def __init__(self, monitors: Sequence[Monitor], width: Callable[[Site], int]) -> None:
        self._versions = {monitor.name: version_of(monitor.spec) for monitor in monitors}
        self._columns: dict[str, slice] = {}
        self._weights: dict[Site, Float[Tensor, "width column"]] = {}
        parts: dict[Site, list[Tensor]] = {}
        biases: list[Tensor] = []
        n = 0
        for monitor in monitors:
            linear = linear_form(monitor, width)
            if linear is None:
                continue
            bias, weights = linear
            for site in {*parts, *weights}:
                own = weights.get(site, torch.zeros(width(site), len(bias)))
                parts.setdefault(site, [torch.zeros(width(site), n)] if n else []).append(own)
            biases.append(bias)
            self._columns[monitor.name] = slice(n, n + len(bias))
            n += len(bias)
        self._weights = {site: torch.cat(one, 1) for site, one in parts.items()}
        self._bias = torch.cat(biases) if biases else torch.zeros(0)

    def watched(self, monitor: Monitor) -> Watched:
        """One of its monitors on a new request."""
        return Watched(monitor, self._versions[monitor.name], monitor.watch())

    @property
    def stacked(self) -> frozenset[str]:
        """Names of the monitors that share a product."""
        return frozenset(self._columns)

    @property
    def weights(self) -> Mapping[Site, Float[Tensor, "width column"]]:
        """What each site's rows are multiplied by, for an engine that does it elsewhere."""
        return self._weights

    def of_products(self, name: str, products: Sequence[float]) -> list[float]:
        """A stacked monitor's scores of a token, from the sum of all sites' products with `weights`."""
        own = self._columns[name]
        return [one + bias for one, bias in zip(products[own], self._bias[own].tolist(), strict=True)]

    def scores(self, rows: Rows, wanted: Mapping[str, tuple[Monitor, Sequence[int]]]) -> dict[str, list[list[float]]]:
        """Scores of each monitor on the tokens at the places that it wants; NaN where its scorer failed."""
        table = self._table(rows) if any(name in self._columns for name in wanted) else []
        found: dict[str, list[list[float]]] = {}
        for name, (monitor, places) in wanted.items():
            if name in self._columns:
                found[name] = [table[place][self._columns[name]] for place in places]
            else:
                found[name] = self._alone(monitor, rows, places)
        return found

    def _table(self, rows: Rows) -> list[list[float]]:
        # A site that is not here is one of monitors that nobody wants now; their columns are not read.
        found = self._bias
        for site, weights in self._weights.items():
            if site in rows:
                found = found + rows[site].float().cpu() @ weights
        return found.tolist()

    @staticmethod
    def _alone(monitor: Monitor, rows: Rows, places: Sequence[int]) -> list[list[float]]:
        n_all = len(next(iter(rows.values())))
        chosen = slice(None) if len(places) == n_all else torch.tensor(places)
        try:
            found = monitor.scores({site: rows[site][chosen] for site in monitor.sites})
            listed = found.tolist()
        except Exception:  # a monitor of another make than hooke's own; what follows is for `on_error` to say
            listed = []
        return listed if len(listed) == len(places) else [[float("nan")] for _ in places]


def linear_form(monitor: Monitor, width: Callable[[Site], int]) -> tuple[Tensor, dict[Site, Tensor]] | None:
    """The bias and each site's weights of a monitor of probes alone, found by number and held against it; else None."""
    spec = monitor.spec
    if any(one.features for one in spec.scorers) or (len(spec.scorers) > 1 and spec.combine != "sum"):
        return None
    draw = torch.Generator().manual_seed(0)
    zero = {site: torch.zeros(1, width(site), requires_grad=True) for site in monitor.sites}
    some = {site: torch.randn(4, width(site), generator=draw) for site in monitor.sites}
    try:
        with torch.enable_grad():
            at_zero = monitor.scores(zero)[0]
            columns = [torch.autograd.grad(one, list(zero.values()), retain_graph=True) for one in at_zero]
        expected = monitor.scores(some).float().cpu()
    except Exception:  # it is asked alone then, where its failure is its own
        return None
    bias = at_zero.detach().float().cpu()
    weights = {site: torch.cat([one[at] for one in columns]).T.float().cpu() for at, site in enumerate(zero)}
    found = bias + sum(some[site] @ weights[site] for site in zero)
    is_linear = bool(torch.isfinite(expected).all()) and relative_error(found, expected) <= tolerance(torch.float32)
    return (bias, weights) if is_linear else None
