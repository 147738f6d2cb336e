"""A monitor at work: scores of tokens as they come, and the state of one request.

What a text scores offline is what its tokens were scored one by one: there is one implementation of the pooling. A
request is judged at every token, so it is above a threshold where its score is so at any of them: that largest score,
`OpenWatch.peak`, is what thresholds are calibrated on and error rates are told of, never the score of the whole text.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.directions.pooling import Running
from hooke.errors import BadArtefact
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.digests import check_digests, digests_of
from hooke.monitors.scorers import Opened, open_scorer
from hooke.monitors.spec import MonitorSpec
from hooke.sites import Site

Level = Literal["quiet", "watch", "act"]
LEVELS: tuple[Level, ...] = ("quiet", "watch", "act")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a request at one token."""

    score: float
    """Pooled score of the tokens so far; no number (NaN) before the first that counts."""
    level: Level
    """Where that is; act, too, where the scorer failed and the monitor fails closed."""
    is_first: bool
    """Whether the request had not been at this level, or above it, before. A quiet token is never the first."""
    failed: bool = False
    """Whether the scorer failed at this token."""


@runtime_checkable
class Watch(Protocol):
    """The state of one request."""

    @property
    def peak(self) -> float:
        """The largest score at any token that was judged so far; NaN before the first."""
        ...

    def see(self, scores: Sequence[float], *, is_prompt: bool) -> Reading:
        """One more token, by its row of scores."""
        ...


@runtime_checkable
class Monitor(Protocol):
    """A monitor, opened on a model."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def spec(self) -> MonitorSpec:
        """What it is."""
        ...

    @property
    def sites(self) -> tuple[Site, ...]:
        """What it reads, in the order of the forward pass."""
        ...

    def scores(self, rows: Mapping[Site, Float[Tensor, "token width"]]) -> Float[Tensor, "token kind"]:
        """Scores of tokens, in one column, or two with attention pooling. Never raises: NaN where the scorer failed."""
        ...

    def watch(self) -> Watch:
        """The state of a new request."""
        ...


def open_monitor(
    spec: MonitorSpec, model: Model, lab: Lab, *, force: bool = False, today: date | None = None
) -> "OpenMonitor":
    """A monitor on the model that it was made for.

    Args:
        force: take it although weights, tokenizer, template or precision are others, or its calibration is too old.

    Raises:
        BadArtefact: it was made for something else, or its calibration has expired.
        UnknownName, UnknownSite, UnsupportedModel, ShapeMismatch: what it scores with is not there, or does not fit.
    """
    check_digests(spec.name, spec.valid_for, digests_of(model), force=force)
    if spec.is_expired(today) and spec.calibration is not None and not force:
        raise BadArtefact(
            f"The calibration of the monitor '{spec.name}' has expired.",
            f"It was made on {spec.calibration.made} and holds to {spec.calibration.expires}.",
            "Calibrate it again on traffic of today, or force it.",
        )
    opened = tuple(open_scorer(one, model, lab, force=force) for one in spec.scorers)
    return OpenMonitor(spec, opened)


@dataclass(frozen=True, slots=True)
class OpenMonitor:
    """A monitor with its scorers."""

    spec: MonitorSpec
    """What it is."""
    scorers: tuple[Opened, ...]
    """What scores, in the spec's order."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def sites(self) -> tuple[Site, ...]:
        """What it reads, in the order of the forward pass."""
        return tuple(sorted({site for one in self.scorers for site in one.sites}, key=lambda site: site.depth))

    @property
    def n_products(self) -> int:
        """Multiply-adds of a token: what it costs beside the model."""
        return sum(one.n_products for one in self.scorers)

    def scores(self, rows: Mapping[Site, Float[Tensor, "token width"]]) -> Float[Tensor, "token kind"]:
        """Scores of tokens; NaN where a scorer failed, whatever it raised: what follows is for `on_error` to say."""
        try:
            return self.raw_scores(rows)
        except Exception:
            logging.getLogger(__name__).exception("monitor %s: its scorer failed", self.name)
            n = max((len(one) for one in rows.values()), default=1)
            return torch.full((n, 2 if self.spec.pooling.how == "attention" else 1), math.nan)

    def raw_scores(self, rows: Mapping[Site, Float[Tensor, "token width"]]) -> Float[Tensor, "token kind"]:
        """Scores of tokens, differentiable; raises where a scorer does."""
        found = [one.score(rows) for one in self.scorers]
        if len(found) == 1:
            return found[0]
        both = torch.stack([one[:, :1] for one in found])
        return both.sum(0) if self.spec.combine == "sum" else both.amax(0)

    def level(self, score: float) -> Level:
        """Where a score is."""
        return level_of(self.spec, score)

    def watch(self) -> "OpenWatch":
        """The state of a new request."""
        return OpenWatch(self.spec, Running(self.spec.pooling))

    def follow(
        self, rows: Mapping[Site, Float[Tensor, "token width"]], *, n_prompt: int | None = None
    ) -> tuple[list[Reading], float]:
        """The readings of a whole text, and its peak; all of it is the prompt unless told how much is."""
        watch = self.watch()
        scores = self.scores(rows).tolist()
        n_prompt = len(scores) if n_prompt is None else n_prompt
        return [watch.see(row, is_prompt=at < n_prompt) for at, row in enumerate(scores)], watch.peak


@dataclass(slots=True)
class OpenWatch:
    """One request's state."""

    spec: MonitorSpec
    """The monitor's."""
    running: Running
    """Pooled score of the tokens counted so far."""
    peak: float = math.nan
    """The largest score at any token that was judged."""
    n_failed: int = 0
    """Tokens at which the scorer failed."""
    _n: int = 0
    _n_counted: int = 0
    _highest: int = 0
    _level: Level = field(default="quiet")

    def see(self, scores: Sequence[float], *, is_prompt: bool) -> Reading:
        """One more token, by its row of scores.

        A failed score is left out of the pooling: one that is no number would stay in it for good.
        """
        self._n += 1
        counts = self.spec.reads == "all" or (self.spec.reads == "prompt") == is_prompt
        if self._n <= self.spec.skip or not counts:
            return Reading(self.running.score, self._level, False)
        if not scores or not all(map(math.isfinite, scores)):
            self.n_failed += 1
            return self._at("act" if self.spec.on_error == "closed" else self._level, failed=True)
        score = self.running.see(*scores)
        self._n_counted += 1
        if self._n_counted > self.spec.warm_up:
            self.peak = score if math.isnan(self.peak) else max(self.peak, score)
            self._level = level_of(self.spec, score)
        return self._at(self._level, failed=False)

    def _at(self, level: Level, *, failed: bool) -> Reading:
        rank = LEVELS.index(level)
        is_first = rank > self._highest
        self._highest = max(self._highest, rank)
        return Reading(self.running.score, level, is_first, failed)


def level_of(spec: MonitorSpec, score: float) -> Level:
    """Where a score is, by a monitor's thresholds."""
    if spec.act is not None and score > spec.act:
        return "act"
    return "watch" if spec.watch is not None and score > spec.watch else "quiet"
