"""A feature of a smaller dictionary that is several of a larger one: its children, and whether they cover it.

    child     : a feature of the larger dictionary that fires with the parent on at least 5 tokens, and at least half of
                whose firings are the parent's
    cover     : children are taken one after another, each the one with the most firings of the parent that are not yet
                covered, while it adds 5 % of them; at most 8
    recall    : the share of the parent's firings on which at least one of them fires
    split     : two children or more, and what the others add to the first is more than what as many random features add
                to it (the interval of the difference lies above 0)

Children are chosen on windows of even numbers, recall is measured on those of odd ones. The control is as many features
of the larger dictionary, each with nearly a child's number of firings, drawn at random.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import sparse

from hooke.features.co_firing import CoFiring, Shard, firing
from hooke.features.fire_together import LEAST_TOGETHER

N_CHILDREN = 8
LEAST_PRECISION = 0.5
LEAST_GAIN = 0.05

_CANDIDATES = 64
_CHOICE, _TRIAL = 0, 1


@dataclass(frozen=True)
class Splits:
    """For each parent its children, the one that covers most first; gain 0 fills up."""

    child: Integer[ndarray, "parent child"]
    gain: Float[ndarray, "parent child"]
    """Share of the parent's firings that each adds, where children were chosen."""
    recall: Float[ndarray, " parent"]
    """Of all children together, where they were not chosen."""
    low: Float[ndarray, " parent"]
    high: Float[ndarray, " parent"]
    alone: Float[ndarray, " parent"]
    """Of the first child alone."""
    more_low: Float[ndarray, " parent"]
    """Interval of what the others add to the first, less what random features add to it."""
    more_high: Float[ndarray, " parent"]
    control: Float[ndarray, " parent"]
    """Of as many features as dense, drawn at random."""
    n: Integer[ndarray, " parent"]
    """Firings of the parent that recall is over."""

    @property
    def n_children(self) -> Integer[ndarray, " parent"]:
        """How many children each has."""
        return (self.gain > 0).sum(1)

    @property
    def is_split(self) -> Bool[ndarray, " parent"]:
        """Which parents are several features of the larger dictionary."""
        return (self.n_children > 1) & (self.more_low > 0)


def splits(found: CoFiring, side: int, *, seed: int = 0) -> Splits:
    """The children of every feature of one dictionary in the other."""
    parts = [_children(found, side, first, last) for first, last in found.ranges(side, 1 - side)]
    child, gain = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    drawn = _as_dense(found.totals[1 - side].n_active, child, gain > 0, seed)
    measured = [
        _recall(found, side, some, child, drawn, gain > 0)
        for some in np.array_split(np.arange(len(child)), max(1, len(child) // 256))
    ]
    return Splits(child, gain, *(np.concatenate(columns) for columns in zip(*measured, strict=True)))


def _children(found: CoFiring, side: int, first: int, last: int) -> tuple[ndarray, ndarray]:
    n_other = found.n_features[1 - side]
    together = found.sums(side, 1 - side, first, last, half=_CHOICE)
    theirs = np.zeros(n_other)
    for shard in found.shards():
        rows = shard.columns[1 - side]
        even = rows.indices // shard.context % 2 == _CHOICE
        owner = np.repeat(np.arange(n_other), np.diff(rows.indptr))
        theirs += np.bincount(owner[even], minlength=n_other)
    possible = (together >= LEAST_TOGETHER) & (together >= LEAST_PRECISION * theirs)
    child = np.zeros((last - first, N_CHILDREN), np.uint32)
    gain = np.zeros((last - first, N_CHILDREN), np.float32)
    for place in np.flatnonzero(possible.any(1)).tolist():
        candidates = np.flatnonzero(possible[place])
        candidates = candidates[np.argsort(-together[place, candidates], kind="stable")[:_CANDIDATES]]
        chosen, added = _cover(_where(found, side, first + place, candidates))
        child[place, : len(chosen)], gain[place, : len(chosen)] = candidates[chosen], added
    return child, gain


def _where(found: CoFiring, side: int, parent: int, candidates: Integer[ndarray, " n"]) -> Bool[ndarray, "firing n"]:
    """Which candidates fire on each of the parent's firings, where children are chosen."""
    parts = []
    for shard in found.shards():
        tokens = shard.columns[side][:, [parent]].indices
        tokens = tokens[tokens // shard.context % 2 == _CHOICE]
        parts.append(shard.taken(1 - side, candidates).tocsr()[tokens].toarray() > 0)
    return np.concatenate(parts)


def _cover(fires: Bool[ndarray, "firing n"]) -> tuple[list[int], list[float]]:
    chosen: list[int] = []
    added: list[float] = []
    left = np.ones(len(fires), bool)
    while len(chosen) < min(N_CHILDREN, fires.shape[1]):
        gains = fires[left].sum(0) / len(fires)
        best = int(gains.argmax())
        if gains[best] < LEAST_GAIN:
            break
        chosen.append(best)
        added.append(float(gains[best]))
        left &= ~fires[:, best]
    return chosen, added


def _as_dense(
    n_active: Integer[ndarray, " other"],
    child: Integer[ndarray, "parent child"],
    there: Bool[ndarray, "parent child"],
    seed: int,
) -> Integer[ndarray, "parent child"]:
    """In the place of each child another feature, one of the twenty that fire most nearly as often."""
    rng = np.random.default_rng([seed, 3])
    order = np.argsort(n_active, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    away = rng.integers(1, 11, size=child.shape) * rng.choice([-1, 1], size=child.shape)
    drawn = place[child] + away
    # At an end of the order the step is taken to the other side.
    drawn = np.where((drawn < 0) | (drawn >= len(order)), place[child] - away, drawn)
    return np.where(there, order[np.clip(drawn, 0, len(order) - 1)], 0)


def _recall(
    found: CoFiring,
    side: int,
    parents: Integer[ndarray, " some"],
    child: Integer[ndarray, "parent child"],
    drawn: Integer[ndarray, "parent child"],
    there: Bool[ndarray, "parent child"],
) -> tuple[ndarray, ...]:
    is_first = there & (np.arange(there.shape[1]) == 0)
    mixed = np.where(np.arange(there.shape[1]) == 0, child, drawn)

    def columns(shard: Shard) -> list[sparse.csc_array]:
        own = firing(shard.taken(side, parents))
        covered = [
            (own * _any_of(shard, 1 - side, some[parents], mask[parents])).tocsc()
            for some, mask in ((child, there), (child, is_first), (drawn, there), (mixed, there))
        ]
        return [own, *covered[:3], (covered[0] - covered[3]).tocsc()]

    moments = found.moments(columns, half=_TRIAL)
    recall, bounds = moments.ratio(1, 0)
    alone, _ = moments.ratio(2, 0)
    control, _ = moments.ratio(3, 0)
    _, more = moments.ratio(4, 0)
    n = moments.total[0].astype(np.int64)
    return recall, *bounds.clip(0, 1).T, alone, *more.T, control, n


def _any_of(
    shard: Shard, side: int, features: Integer[ndarray, "some child"], there: Bool[ndarray, "some child"]
) -> sparse.csc_array:
    """1 where at least one of a parent's features fires."""
    total = sparse.csc_array((shard.n_tokens, len(features)))
    for slot in range(features.shape[1]):
        fires = firing(shard.taken(side, features[:, slot].astype(np.int64)))
        fires = fires * there[:, slot][None].astype(np.float64)
        total = total + fires
    total = total.tocsc()
    total.eliminate_zeros()
    return firing(total)
