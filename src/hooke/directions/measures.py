"""What texts are like: how foreign to the unedited model, how far from it, how repetitive, how much they say."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hooke.directions.speak import Word
from hooke.findings import estimate

NOTE = (
    "Intervals are 95 % by the bootstrap over an arm's texts; with one text there is none. Every random text has its "
    "own random directions of the same norm, and is measured by the recipe's promoted tokens, which were chosen after "
    "neutral prompts. Perplexity and the feature's activation are read by the model without edits; the last token's "
    "activation is not read. Low perplexity with few distinct pairs is repetition, not sense."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A number with its 95 % interval over texts."""

    value: float | None = None
    """The number; None where there is none."""
    low: float | None = None
    """Lower end; None with fewer than two texts."""
    high: float | None = None
    """Upper end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What an arm's texts are like."""

    n: int
    """Texts."""
    perplexity: Spread
    """Under the model without edits."""
    kl: Spread
    """Divergence from the model without edits along the text, nats per token."""
    distinct_2: Spread
    """Share of pairs of neighbouring tokens that are distinct."""
    promoted_mass: Spread
    """Probability of the promoted tokens as the next one, mean along the text."""
    activation: Spread
    """Mean activation of the watched feature on the text, read without edits, as a share of its maximum."""


def measure(texts: Sequence[Sequence[Word]], *, unit: float | None, seed: int) -> Measures:
    """Measures of the texts of one arm, each given as its words; `unit` is the watched feature's largest activation."""
    surprise = [_mean(text, lambda word: -word.base_logprob) for text in texts]
    activations = [_mean(text, lambda word: word.activation) / unit if unit else math.nan for text in texts]
    return Measures(
        n=len(texts),
        perplexity=_spread(surprise, seed, lambda samples: np.exp(samples.mean(axis=-1))),
        kl=_spread([_mean(text, lambda word: word.kl) for text in texts], seed),
        distinct_2=_spread([distinct_pairs([word.token for word in text]) for text in texts], seed),
        promoted_mass=_spread([_mean(text, lambda word: word.promoted_mass) for text in texts], seed),
        activation=_spread(activations, seed),
    )


def distinct_pairs(tokens: Sequence[int]) -> float:
    """Share of pairs of neighbouring tokens that are distinct; NaN with fewer than two tokens."""
    pairs = list(zip(tokens, tokens[1:], strict=False))
    return len(set(pairs)) / len(pairs) if pairs else math.nan


def _mean(text: Sequence[Word], read: Callable[[Word], float]) -> float:
    values = [value for value in map(read, text) if not math.isnan(value)]
    return sum(values) / len(values) if values else math.nan


def _spread(values: Sequence[float], seed: int, statistic: Callable = lambda samples: samples.mean(axis=-1)) -> Spread:
    known = np.array([value for value in values if math.isfinite(value)])
    if not len(known):
        return Spread()
    if len(known) == 1:
        return Spread(value=float(statistic(known[None])[0]))
    found = estimate(known, generator=np.random.default_rng(seed), statistic=statistic)
    return Spread(value=found.value, low=found.interval[0], high=found.interval[1])
