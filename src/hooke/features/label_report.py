"""How good many labels are together: distributions of their scores beside those of other features' labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hooke.features.labels import Label
from hooke.findings import Estimate, estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The scores of one kind that many labels have."""

    scorer: str
    """The kind."""
    n_labels: int
    """Labels with such a score."""
    median: float
    """The score that half of them exceed."""
    mean: Estimate
    """Their mean, with an interval over features."""
    null: Estimate | None
    """The mean of other features' labels on the same passages."""
    n_better: int
    """Labels that are better than other features' beyond luck; see `Score.beats_null`."""


def summaries(labels: Sequence[Label], *, seed: int = 0) -> list[Summary]:
    """The scores of labels by kind, in the order in which they first come."""
    names = dict.fromkeys(score.scorer for label in labels for score in label.scores)
    found = []
    for name in names:
        scores = [score for label in labels for score in label.scores if score.scorer == name]
        nulls = [score.null for score in scores if score.null is not None]
        values = [score.value for score in scores]
        rng = np.random.default_rng(seed)
        found.append(
            Summary(
                scorer=name,
                n_labels=len(scores),
                median=float(np.median(values)),
                mean=estimate(values, generator=rng),
                null=estimate(nulls, generator=rng) if nulls else None,
                n_better=sum(score.beats_null for score in scores),
            )
        )
    return found


def mean_detail(labels: Sequence[Label], scorer: str) -> dict[str, float]:
    """The mean over labels of each part of a score."""
    parts: dict[str, list[float]] = {}
    for label in labels:
        for score in label.scores:
            for name, value in score.detail.items() if score.scorer == scorer else ():
                parts.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in parts.items()}
