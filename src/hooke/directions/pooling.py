"""From the scores of tokens to one score of a text, token by token: what is known at a token uses none after it.

A monitor runs this while a model speaks, and a probe is fitted by it; so there is one implementation, which sees one
token at a time. Rolling means and exponential averages: 2601.04603; attention and largest rolling mean: 2601.11516.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from hooke.errors import BadConfig

How = Literal["last", "mean", "max", "rolling", "ema", "softmax", "attention"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooling:
    """How the scores of a text's tokens become one."""

    how: How = "mean"
    """last; mean; max; rolling: the largest mean of `window` tokens in a row; ema: an exponential moving average as
    slow as `window`; softmax: a mean weighted by exp(score / temperature); attention: by exp of a second score."""
    window: int = 16
    """Tokens of rolling and ema."""
    temperature: float = 1.0
    """Of softmax: the smaller, the nearer to the largest score."""

    def __post_init__(self) -> None:
        if self.window < 1 or not self.temperature > 0 or math.isinf(self.temperature):
            raise BadConfig(
                "This pooling is impossible.",
                f"window {self.window}, temperature {self.temperature}.",
                "A window has at least 1 token; a temperature is above 0.",
            )


@dataclass(slots=True)
class Running:
    """One text's pooled score so far."""

    pooling: Pooling
    """How it is pooled."""
    score: float = math.nan
    """Pooled score of the tokens seen so far; no number before the first."""
    _n: int = 0
    _top: float = -math.inf
    _weight: float = 0.0
    _recent: deque[float] = field(default_factory=deque)

    def see(self, score: float, attention: float = 0.0) -> float:
        """The pooled score with one more token; `attention` is its second score, where there is one."""
        self._n += 1
        match self.pooling.how:
            case "last":
                self.score = score
            case "mean":
                self.score = score if self._n == 1 else self.score + (score - self.score) / self._n
            case "max":
                self.score = score if self._n == 1 else max(self.score, score)
            case "rolling":
                self.score = self._rolled(score)
            case "ema":
                share = max(1 / self._n, 2 / (self.pooling.window + 1))
                self.score = score if self._n == 1 else self.score + share * (score - self.score)
            case "softmax":
                self.score = self._weighted(score, score / self.pooling.temperature)
            case "attention":
                self.score = self._weighted(score, attention)
        return self.score

    def _rolled(self, score: float) -> float:
        self._recent.append(score)
        if len(self._recent) > self.pooling.window:
            self._recent.popleft()
            return max(self.score, math.fsum(self._recent) / len(self._recent))
        # Until a window is full there is one mean only; the largest of shorter ones would be that of a single token.
        return math.fsum(self._recent) / len(self._recent)

    def _weighted(self, score: float, logit: float) -> float:
        top = max(self._top, logit)
        kept, new = self._weight * math.exp(self._top - top), math.exp(logit - top)
        total = kept + new
        value = score if not kept else (self.score * kept + score * new) / total
        self._top, self._weight = top, total
        return value


def running(scores: Iterable[float], pooling: Pooling, attention: Iterable[float] | None = None) -> list[float]:
    """The pooled score after each token of a text."""
    state = Running(pooling)
    if attention is None:
        return [state.see(score) for score in scores]
    return [state.see(score, weight) for score, weight in zip(scores, attention, strict=True)]
