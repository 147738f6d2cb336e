"""Effects of columns of numbers on labelled texts, by groups of texts: their size, interval, and what luck does.

    gap     =  mean over a group's texts with the concept - mean over those without
    effect  =  mean gap over groups / standard deviation over all their texts      at most 2 for as many of both kinds

Texts of a group share a topic or words, so that a group is one observation: intervals draw whole groups, and luck is
what swapping the labels of whole groups does, each group's texts of one label staying together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.findings import Estimate, estimate
from hooke.text.concepts import Labelled

FEWEST_GROUPS = 8
"""With texts of both labels: half of them can confirm nothing where they are fewer."""


@dataclass(frozen=True, slots=True)
class Split:
    """Groups that features are chosen on, and groups that are opened once to confirm them."""

    first: tuple[str, ...]
    second: tuple[str, ...]


def split_groups(items: Sequence[Labelled], *, seed: int = 0) -> Split:
    """The groups that have texts with and without the concept, in two halves.

    Raises:
        BadRequest: they are too few.
    """
    labels: dict[str, set[bool]] = {}
    for one in items:
        labels.setdefault(one.group, set()).add(one.label)
    both = sorted(group for group, some in labels.items() if len(some) == 2)
    if len(both) < FEWEST_GROUPS:
        raise BadRequest(
            "These texts cannot be parted into groups to choose on and groups to confirm on.",
            f"{len(both)} of {len(labels)} groups have texts with and without the concept.",
            f"Give at least {FEWEST_GROUPS} such groups.",
        )
    order = np.random.default_rng(seed).permutation(both).tolist()
    return Split(tuple(order[: len(order) // 2]), tuple(order[len(order) // 2 :]))


def texts_of(items: Sequence[Labelled], groups: Sequence[str]) -> Bool[ndarray, " text"]:
    """Which texts are of these groups."""
    return np.isin([one.group for one in items], groups)


@dataclass(frozen=True, slots=True)
class Sums:
    """All that effects are made of, group by group."""

    gaps: Float[ndarray, "group column"]
    counts: Int[ndarray, " group"]
    sums: Float[ndarray, "group column"]
    squares: Float[ndarray, "group column"]

    @staticmethod
    def of(values: Float[ndarray, "text column"], items: Sequence[Labelled], groups: Sequence[str]) -> "Sums":
        """Those of some groups, each with texts of both labels."""
        names, labels = np.array([one.group for one in items]), np.array([one.label for one in items])
        parts = [(values[(names == group) & labels], values[(names == group) & ~labels]) for group in groups]
        return Sums(
            gaps=np.stack([own.mean(0) - other.mean(0) for own, other in parts]).astype(np.float64),
            counts=np.array([len(own) + len(other) for own, other in parts]),
            sums=np.stack([own.sum(0) + other.sum(0) for own, other in parts]).astype(np.float64),
            squares=np.stack([(own**2).sum(0) + (other**2).sum(0) for own, other in parts]).astype(np.float64),
        )

    def column(self, at: int) -> "Sums":
        """Those of one column."""
        return Sums(self.gaps[:, [at]], self.counts, self.sums[:, [at]], self.squares[:, [at]])

    def effects(self, rows: Int[ndarray, "draw group"] | None = None) -> Float[ndarray, "draw column"]:
        """The effect of each column, for each draw of groups; 0 where a column is the same in all texts."""
        rows = np.arange(len(self.counts))[None] if rows is None else rows
        n = self.counts[rows].sum(1)[:, None]
        mean, square = self.sums[rows].sum(1) / n, self.squares[rows].sum(1) / n
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        # What float sums leave of a constant column is no spread.
        varies = spread > 1e-6 * np.sqrt(square)
        return np.divide(self.gaps[rows].mean(1), spread, out=np.zeros_like(spread), where=varies)

    def swapped(self, signs: Float[ndarray, "draw group"]) -> Float[ndarray, "draw column"]:
        """The effect of each column with the labels of some groups swapped, those with the sign -1."""
        mean, square = self.sums.sum(0) / self.counts.sum(), self.squares.sum(0) / self.counts.sum()
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        means = signs @ self.gaps / len(self.gaps)
        return np.divide(means, spread, out=np.zeros_like(means), where=spread > 1e-6 * np.sqrt(square))


def estimate_effect(one: Sums, *, less: Sums | None = None, seed: int = 0) -> Estimate:
    """A column's effect, or how far it lies above another column's on the same groups, with an interval over groups."""

    def statistic(units: ndarray) -> ndarray:
        rows = units.astype(np.int64)
        found = one.effects(rows)[:, 0]
        return found if less is None else found - less.effects(rows)[:, 0]

    groups = np.arange(len(one.counts), dtype=np.float64)
    return estimate(groups, generator=np.random.default_rng(seed), statistic=statistic)


def by_luck(one: Sums, *, n: int, seed: int = 0) -> float:
    """The share of swaps of labels, among them none at all, with an effect as large as a column's own."""
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n, len(one.counts)))
    as_large = one.swapped(signs)[:, 0] >= one.effects()[0, 0] - 1e-9
    return float((1 + as_large.sum()) / (1 + n))


def searched_by_luck(first: Sums, second: Sums, *, n: int = 200, seed: int = 0) -> Float[ndarray, " draw"]:
    """Effects on the second groups of the best columns on the first, where the labels of either were swapped."""
    generator = np.random.default_rng(seed)
    one, other = (generator.choice([-1.0, 1.0], (n, len(part.counts))) for part in (first, second))
    best = first.swapped(one).argmax(1)
    return second.swapped(other)[np.arange(n), best]


def corrected(chances: Sequence[float]) -> list[float]:
    """Chances corrected for their number (Holm 1979): below .05 all of them hold with 95 % confidence together."""
    order = np.argsort(chances, kind="stable")
    steps = np.asarray(chances)[order] * np.arange(len(chances), 0, -1)
    found = np.empty(len(chances))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return found.tolist()


def threshold(values: Float[ndarray, " text"], labels: Bool[ndarray, " text"]) -> float:
    """What parts the texts with the concept from the others best, by balanced accuracy."""
    levels = np.unique(values)
    cuts = np.concatenate([[levels[0] - 1], (levels[1:] + levels[:-1]) / 2])
    above = values[None] > cuts[:, None]
    accuracy = above[:, labels].mean(1) - above[:, ~labels].mean(1)
    return float(cuts[accuracy.argmax()])
