"""Who answers whether a label fits a passage: the protocol of judges, and the one that needs no language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.features.drafts import Draft
from hooke.features.rules import Rule
from hooke.features.trials import Passages, TrialMaker, has_any

_REMEMBERED = 128

Marks = Sequence[Int[ndarray, " _mark"]]
"""Positions that are marked in each of some passages."""


@runtime_checkable
class Judge(Protocol):
    """Answers about a label and passages, as numbers between 0 (no) and 1 (yes); NaN where it gave no answer."""

    name: str
    """Who it is."""
    n_passages: int
    """How many passages of each kind it is asked about: fewer where asking costs."""

    def contains(self, label: Draft, passages: Passages) -> Float[ndarray, " passage"]:
        """Whether each passage contains what the label says."""
        ...

    def fits(self, label: Draft, passages: Passages, marks: Marks) -> Float[ndarray, " passage"]:
        """Whether what is marked in each passage is what the label says."""
        ...

    def odd(self, label: Draft, passages: Passages, of: int) -> Float[ndarray, " passage"]:
        """How likely it is to pick each passage as the one of its group, `of` in a row, that lacks the label."""
        ...

    def strengths(self, label: Draft, passages: Passages) -> Float[ndarray, " token"] | None:
        """How strongly the feature should fire on each token, passage after passage; None where it cannot say."""
        ...


@dataclass(frozen=True)
class Held:
    """Where a rule holds in a text."""

    positions: Int[ndarray, " place"]
    """The positions, in order."""
    everywhere: Bool[ndarray, " position"]
    """Whether it holds, for every position."""


class RuleJudge:
    """Applies rules: a rule says itself where it holds. It knows no other labels."""

    name = "rule"
    n_passages = 50

    def __init__(self, maker: TrialMaker) -> None:
        self._maker = maker
        # The labels that every feature is scored beside are asked again and again.
        self.holds = lru_cache(_REMEMBERED)(self._holds)

    def _holds(self, rule: Rule) -> Held:
        """Where a rule holds."""
        positions = self._maker.evidence.counted[self._maker.keys.having(rule.test, rule.keys)]
        everywhere = np.zeros(self._maker.evidence.text.n_tokens, bool)
        everywhere[positions] = True
        return Held(positions, everywhere)

    def contains(self, label: Draft, passages: Passages) -> Float[ndarray, " passage"]:
        """Whether the rule holds anywhere in each passage."""
        return has_any(self.holds(_rule(label)).positions, passages).astype(np.float64)

    def fits(self, label: Draft, passages: Passages, marks: Marks) -> Float[ndarray, " passage"]:
        """Whether the rule holds on at least half of the marked tokens."""
        counts = np.array([len(marked) for marked in marks])
        found = self.holds(_rule(label)).everywhere[np.concatenate(marks)]
        return (2 * np.add.reduceat(found, np.cumsum(counts) - counts, dtype=np.int64) >= counts).astype(np.float64)

    def odd(self, label: Draft, passages: Passages, of: int) -> Float[ndarray, " passage"]:
        """One of the passages in which the rule never holds, each as likely; any, where there is none."""
        without = self.contains(label, passages).reshape(-1, of) == 0
        without |= ~without.any(axis=1, keepdims=True)
        return (without / without.sum(axis=1, keepdims=True)).reshape(-1)

    def strengths(self, label: Draft, passages: Passages) -> Float[ndarray, " token"]:
        """1 where the rule holds."""
        return self.holds(_rule(label)).everywhere[passages.tokens].astype(np.float64)


def _rule(label: Draft) -> Rule:
    assert label.rule is not None, label
    return label.rule
