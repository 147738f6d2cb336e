"""Scores of a label on held-out passages, each beside the scores of other features' labels on the same passages.

    detection    which passages does the feature fire in: balanced accuracy against hard silent ones
    fuzzing      are the marked tokens the ones it fires on: balanced accuracy against marks on other tokens
    intruder     which of five passages is the one without the feature: accuracy, chance 0.2
    simulation   how strongly does it fire on each token: correlation with what it does

Other scorers need no judge: `embedding_scorer.py` and `output_scorer.py`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.features.drafts import Draft
from hooke.features.judges import Judge
from hooke.features.labels import Score
from hooke.features.trials import N_FIFTHS, Passages, Trial
from hooke.findings import Interval, balanced_interval, share_interval

N_INTRUDED = 5
"""Passages among which the one that does not belong is looked for."""
LEAST_NULLS = 20
"""Other features' labels from which on their spread is said."""

_N_SIMULATED = 12
_N_RESAMPLES = 200

Measured = tuple[float, Interval, int, dict[str, float]]
"""A value, its interval, over how many passages, and its parts."""
Task = Callable[[Draft, bool], Measured | None]
"""The same questions about any label; None where no answer came. Of a null, the second word, only the value counts."""


@runtime_checkable
class Scorer(Protocol):
    """Scores labels."""

    name: str
    """What the scores are called."""

    def score(self, label: Draft, trial: Trial, others: Sequence[Draft]) -> Score | None:
        """The score of a label, beside those of other features' labels; None where it cannot be scored."""
        ...


class Judged:
    """A scorer that asks a judge."""

    def __init__(self, name: str, task: Callable[[Judge, Trial], Task], judge: Judge) -> None:
        self.name, self._task, self._judge = name, task, judge

    def score(self, label: Draft, trial: Trial, others: Sequence[Draft]) -> Score | None:
        """The score of a label, beside those of other features' labels; None where it cannot be scored."""
        if not trial.is_enough:
            return None
        task = self._task(self._judge, trial)
        measured = task(label, False)
        if measured is None:
            return None
        nulls = [task(other, True) for other in others]
        return score_of(self.name, self._judge.name, measured, [null[0] for null in nulls if null is not None])


def score_of(scorer: str, judge: str, measured: Measured, nulls: Sequence[float]) -> Score:
    """A score beside its null."""
    value, interval, n, detail = measured
    spread = np.percentile(nulls, [2.5, 97.5]).tolist() if len(nulls) >= LEAST_NULLS else None
    return Score(
        scorer=scorer,
        judge=judge,
        value=value,
        interval=interval,
        n=n,
        null=float(np.mean(nulls)) if nulls else None,
        null_interval=(spread[0], spread[1]) if spread else None,
        detail=detail,
    )


def detection(judge: Judge, trial: Trial) -> Task:
    """Does a label tell passages with a firing from hard ones without."""
    n = judge.n_passages
    chosen = _spread(len(trial.firing), n)
    fifths = trial.fifths[chosen]
    parts = [trial.firing[chosen], *(one[slice(0, n // 2)] for one in (trial.near, trial.alike)), trial.random[:n]]
    # They are asked about in a mixed order: a run of passages of one kind would give the kind away.
    order = np.random.default_rng(trial.feature).permutation(sum(map(len, parts)))
    mixed, ends = parts[0].joined(*parts[1:])[order], np.cumsum([len(part) for part in parts])[:-1]

    def measure(label: Draft, is_null: bool) -> Measured | None:
        answers = np.empty(len(order))
        answers[order] = judge.contains(label, mixed)
        found, near, alike, random = np.split(answers, ends)
        measured = _balanced(found, np.concatenate([near, alike]))
        if measured is None:
            return None
        if is_null:
            return *measured, {}
        detail = {f"recall {fifth + 1}": _mean(found[fifths == fifth]) for fifth in range(N_FIFTHS)}
        detail |= {"near": _mean(near), "alike": _mean(alike), "random": _mean(random)}
        return *measured, {name: part for name, part in detail.items() if np.isfinite(part)}

    return measure


def fuzzing(judge: Judge, trial: Trial) -> Task:
    """Does a label tell the tokens on which the feature fires from others of the same passages."""
    rng = np.random.default_rng(trial.feature)
    passages = trial.firing[_spread(len(trial.firing), judge.n_passages)]
    right = [_inside(trial, start, stop) for start, stop in _spans(passages)]
    wrong: list[ndarray] = []
    has_wrong = np.zeros(len(passages), bool)
    for place, (start, stop) in enumerate(_spans(passages)):
        others = np.setdiff1d(np.arange(start, stop), right[place], assume_unique=True)
        if len(others) >= len(right[place]):
            has_wrong[place] = True
            wrong.append(np.sort(rng.choice(others, len(right[place]), replace=False)))
    order = rng.permutation(len(right) + len(wrong))
    both = [*right, *wrong]
    mixed, marks = passages.joined(passages[has_wrong])[order], [both[place] for place in order]

    def measure(label: Draft, is_null: bool) -> Measured | None:
        answers = np.empty(len(order))
        answers[order] = judge.fits(label, mixed, marks)
        measured = _balanced(answers[: len(right)], answers[len(right) :])
        return None if measured is None else (*measured, {})

    return measure


def intruder(judge: Judge, trial: Trial) -> Task:
    """Is the passage without the feature found among four with it."""
    rng = np.random.default_rng(trial.feature)
    four = N_INTRUDED - 1
    n = min(min(judge.n_passages, len(trial.firing)) // four, len(trial.hard))
    firing = rng.permutation(len(trial.firing))[: n * four].reshape(n, four)
    hard = rng.permutation(len(trial.hard))[:n] + len(trial.firing)
    places = rng.integers(N_INTRUDED, size=n)
    rows = [np.insert(row, place, odd) for row, place, odd in zip(firing, places, hard, strict=True)]
    fives = trial.firing.joined(trial.hard)[np.concatenate(rows)]

    def measure(label: Draft, is_null: bool) -> Measured | None:
        hits = judge.odd(label, fives, N_INTRUDED).reshape(n, N_INTRUDED)[np.arange(n), places]
        hits = hits[np.isfinite(hits)]
        if not len(hits):
            return None
        share = float(hits.mean())
        return share, share_interval(share, len(hits)), len(hits), {}

    return measure


def simulation(judge: Judge, trial: Trial) -> Task:
    """How well do the strengths that a label foretells go along with those of the feature, token by token."""
    half = min(_N_SIMULATED, judge.n_passages)
    passages = trial.firing[_spread(len(trial.firing), half)].joined(trial.random[:half])
    lengths = passages.stops - passages.starts
    starts = np.cumsum(lengths) - lengths
    at = np.searchsorted(trial.fires, passages.tokens)
    fires = trial.fires[np.minimum(at, len(trial.fires) - 1)] == passages.tokens
    real = np.where(fires, trial.levels[np.minimum(at, len(trial.fires) - 1)], 0).astype(np.float64)
    fixed = [lengths.astype(np.float64), np.add.reduceat(real, starts), np.add.reduceat(real**2, starts)]
    draws = np.random.default_rng(trial.feature).integers(0, len(passages), (_N_RESAMPLES, len(passages)))

    def measure(label: Draft, is_null: bool) -> Measured | None:
        told = judge.strengths(label, passages)
        if told is None:
            return None
        said, squared, product = (np.add.reduceat(values, starts) for values in (told, told**2, told * real))
        sums = np.stack([fixed[0], said, fixed[1], squared, fixed[2], product], axis=1)
        value = float(_correlations(sums.sum(0)[None])[0])
        if is_null:
            return value, (value, value), len(passages), {}
        low, high = np.percentile(_correlations(sums[draws].sum(1)), [2.5, 97.5])
        return value, (float(low), float(high)), len(passages), {}

    return measure


def _correlations(sums: Float[ndarray, "draw moment"]) -> Float[ndarray, " draw"]:
    """Pearson's correlation from n, Σx, Σy, Σx², Σy² and Σxy; 0 where one of both never changes."""
    n, x, y, xx, yy, xy = sums.T
    spread = np.sqrt(np.maximum(n * xx - x * x, 0) * np.maximum(n * yy - y * y, 0))
    return np.divide(n * xy - x * y, spread, out=np.zeros(len(sums)), where=spread > 1e-12)


JUDGED: dict[str, Callable[[Judge, Trial], Task]] = {
    "detection": detection,
    "fuzzing": fuzzing,
    "intruder": intruder,
    "simulation": simulation,
}
"""The scorers that ask a judge."""


def _balanced(positive: Float[ndarray, " firing"], negative: Float[ndarray, " silent"]) -> tuple | None:
    """Balanced accuracy with its interval and n over the answers that came; None where one side gave none."""
    positive, negative = positive[np.isfinite(positive)], negative[np.isfinite(negative)]
    if not len(positive) or not len(negative):
        return None
    recall, specificity = float(positive.mean()), float(1 - negative.mean())
    interval = balanced_interval(recall, len(positive), specificity, len(negative))
    return (recall + specificity) / 2, interval, len(positive) + len(negative)


def _mean(answers: Float[ndarray, " passage"]) -> float:
    there = answers[np.isfinite(answers)]
    return float(there.mean()) if len(there) else float("nan")


def _spread(n_there: int, n: int) -> ndarray:
    """Up to n numbers below n_there, evenly spread."""
    return np.unique(np.linspace(0, n_there - 1, min(n, n_there)).round().astype(np.int64))


def _spans(passages: Passages) -> list[tuple[int, int]]:
    return list(zip(passages.starts.tolist(), passages.stops.tolist(), strict=True))


def _inside(trial: Trial, start: int, stop: int) -> ndarray:
    """The firings in a stretch."""
    return trial.fires[slice(*np.searchsorted(trial.fires, [start, stop]))]
