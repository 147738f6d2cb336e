"""Intervals over groups of texts: whole groups are drawn, the same draws for all that is compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.directions.low_rates import most_above, threshold_at
from hooke.findings import Estimate, share_interval

N_DRAWS = 1000
_ELEMENTS_AT_ONCE = 2**23


@dataclass(frozen=True, slots=True, eq=False)
class GroupDraws:
    """Texts with labels, and how often each is in each draw of groups."""

    labels: Bool[ndarray, " text"]
    """Whether a text has the concept."""
    weights: Float[ndarray, "draw text"]
    """How often it was drawn; the first row is the sample itself, each text once."""
    n_groups: int
    """Groups that are drawn from."""

    @staticmethod
    def of(labels: Bool[ndarray, " text"], groups: Sequence[str], *, seed: int, n: int = N_DRAWS) -> "GroupDraws":
        """Draws of groups with replacement, behind the sample itself; draws that lack a label are drawn again."""
        names, number = np.unique(np.asarray(groups), return_inverse=True)
        generator = np.random.default_rng([seed, len(names)])
        rows = [np.ones((1, len(labels)), dtype=np.float32)]
        # Sets of groups of one label each may give a draw without the other label, a few times in a thousand.
        missing, tries = n, 0
        while missing and tries < 20:
            drawn = generator.integers(0, len(names), size=(missing, len(names)))
            counts = np.zeros((missing, len(names)), dtype=np.float32)
            np.add.at(counts, (np.arange(missing)[:, None], drawn), 1)
            weights = counts[:, number]
            rows.append(weights[(weights[:, labels].sum(1) > 0) & (weights[:, ~labels].sum(1) > 0)])
            missing, tries = n - sum(len(one) for one in rows[1:]), tries + 1
        return GroupDraws(labels, np.concatenate(rows), len(names))

    def areas(self, scores: Float[ndarray, " text"]) -> Float[ndarray, " draw"]:
        """The chance that a text with the concept scores above one without, ties half, in each draw."""
        _, rank = np.unique(scores, return_inverse=True)
        order = np.argsort(rank, kind="stable")
        starts = np.flatnonzero(np.diff(rank[order], prepend=-1))
        at_once = max(1, _ELEMENTS_AT_ONCE // len(scores))
        found = []
        for begin in range(0, len(self.weights), at_once):
            weights = self.weights[begin : begin + at_once, order].astype(np.float64)
            positive, negative = (
                np.add.reduceat(weights * chosen[order], starts, axis=1) for chosen in (self.labels, ~self.labels)
            )
            below = np.cumsum(negative, axis=1) - negative / 2
            found.append((positive * below).sum(1) / (positive.sum(1) * negative.sum(1)))
        return np.concatenate(found)

    def recalls(self, scores: Float[ndarray, " text"], rate: float) -> Float[ndarray, " draw"] | None:
        """The share of texts with the concept above the threshold for this rate of false alarms, in each draw.

        None where the negatives of the sample are too few. Each draw has a threshold of its own, so that the interval
        holds what is not known about the threshold, too.
        """
        negatives = scores[~self.labels]
        if threshold_at(negatives, rate) is None:
            return None
        allowed = most_above(len(negatives), rate)
        assert allowed is not None
        order = np.argsort(-negatives, kind="stable")
        ordered = negatives[order]
        at_once = max(1, _ELEMENTS_AT_ONCE // len(scores))
        found = []
        for begin in range(0, len(self.weights), at_once):
            weights = self.weights[begin : begin + at_once].astype(np.float64)
            above = weights[:, ~self.labels][:, order].cumsum(1)
            # As large a share of a draw may lie above as of the sample.
            last = (above <= allowed / len(negatives) * above[:, -1:]).sum(1)
            limits = ordered[np.minimum(last, len(ordered) - 1)]
            positive = weights[:, self.labels]
            caught = (scores[self.labels][None] > limits[:, None]) * positive
            found.append(caught.sum(1) / positive.sum(1))
        return np.concatenate(found)


def estimated(draws: Float[ndarray, " draw"], *, n: int | None = None) -> Estimate:
    """The sample's value, the first, with the interval of the others.

    Args:
        n: units that a share is of. Where no draw differs the bootstrap would say that there is no doubt at all; the
            interval of a share of so many does not.
    """
    value = float(draws[0])
    low, high = (float(one) for one in np.percentile(draws[1:], [2.5, 97.5]))
    if low == high and n is not None:
        low, high = share_interval(value, n)
    return Estimate(value=value, interval=(low, high))
