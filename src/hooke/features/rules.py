"""Simple rules for when a feature fires strongly, and how the best one is found.

A rule is a test and a few keys, and holds at the places that have one of them. It is judged by the F1 that it would
have on running text as a detector of the feature's strong firings; weak ones are neither asked for nor held against it.
With recall r, rate q (the share of all tokens where it holds and the feature does not fire weakly) and the density d of
strong firings

    F1 = 2 r d / (d + q)

and its keys are chosen greedily by that.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.features.places import NOTHING, KeyIndex, Places, Test

MOST_KEYS: dict[Test, int] = {
    "current": 5,
    "pair": 3,
    "previous": 4,
    "following": 4,
    "class": 1,
    "class before": 1,
    "source": 1,
    "context": 6,
}
"""Keys that a rule of each kind may have."""

_LEAST_COUNT = 2
_LEAST_GAIN = 0.02
_CANDIDATES = 24


@dataclass(frozen=True)
class Rule:
    """Holds at places that have one of some keys."""

    test: Test
    """What it looks at."""
    keys: tuple[int, ...]
    """What it looks for."""


@dataclass(frozen=True)
class Firings:
    """A sample of a feature's firings to make a rule from."""

    strong: Places
    """Strong firings: what a rule should find."""
    weak: Places
    """Other firings."""
    density: float
    """Share of all tokens with a strong firing."""
    weak_density: float
    """Share of all tokens with another firing."""

    def f1(
        self, recall: Float[ndarray, " rule"], rate: Float[ndarray, " rule"], weak: Float[ndarray, " rule"]
    ) -> Float[ndarray, " rule"]:
        """F1 on running text of rules with a recall, a rate, and a share of the weak firings on which they hold."""
        found = recall * self.density
        return 2 * found / (self.density + np.maximum(rate - weak * self.weak_density, found))


def best_rule(test: Test, firings: Firings, background: KeyIndex) -> tuple[float, Rule] | None:
    """The best rule of one kind and its F1 on the places that it was found on; None where no key comes twice."""
    keys = _candidates(test, firings, background)
    if not len(keys):
        return None
    rates = background.rates(test, keys)
    strong, weak = firings.strong.table(test, keys), firings.weak.table(test, keys)
    found, spared = np.zeros(len(strong), bool), np.zeros(len(weak), bool)
    chosen: list[int] = []
    rate = best = 0.0
    for _ in range(MOST_KEYS[test]):
        scores = firings.f1(_share(found[:, None] | strong), rate + rates, _share(spared[:, None] | weak))
        leader = int(np.argmax(scores))
        if scores[leader] < best + (_LEAST_GAIN if chosen else 0):
            break
        chosen.append(leader)
        found, spared = found | strong[:, leader], spared | weak[:, leader]
        rate, best = rate + float(rates[leader]), float(scores[leader])
    return best, Rule(test, tuple(keys[chosen].tolist()))


def _candidates(test: Test, firings: Firings, background: KeyIndex) -> Int[ndarray, " candidate"]:
    """The keys that would make the best rules by themselves."""
    table = firings.strong.keys[test]
    keys, counts = np.unique(table[table != NOTHING].astype(np.int64), return_counts=True)
    keys = keys[counts >= _LEAST_COUNT]
    recall, weak = _share(firings.strong.table(test, keys)), _share(firings.weak.table(test, keys))
    alone = firings.f1(recall, background.rates(test, keys), weak)
    return keys[np.argsort(-alone, kind="stable")[:_CANDIDATES]]


def _share(has: Bool[ndarray, "place candidate"]) -> Float[ndarray, " candidate"]:
    return has.mean(axis=0) if len(has) else np.zeros(has.shape[1])
