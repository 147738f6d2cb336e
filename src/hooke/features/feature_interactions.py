"""What a run says of one feature, as plain values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hooke.features.interactions import Interactions
from hooke.findings import Interval

Direction = Literal["to", "from"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FiresWith:
    """A feature that fires on the same tokens, more than chance would have it."""

    feature: int
    """Its number."""
    count: int
    """Tokens on which both fire."""
    expected: float
    """On how many they would by chance."""
    pmi: float
    """Pointwise mutual information in bits; 0 is chance."""
    interval: Interval
    """95 % interval of the PMI over windows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PathTo:
    """A feature of a later or an earlier dictionary, by what the one writes to the other."""

    feature: int
    """Its number."""
    weight: float
    """Virtual weight: what the source writes times what the target reads."""
    era: float
    """The weight times the source's mean activation where the target fires, over all tokens."""
    twera: float
    """The weight times the source's activation as the target weighs tokens."""
    count: int
    """Tokens on which both fire."""
    rank: int
    """Place among all pairs of this feature by the weight alone, from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The feature of the other dictionary that fires most like this one."""

    feature: int
    """Its number."""
    correlation: float
    """Of the two activations."""
    interval: Interval
    """95 % interval over windows."""
    count: int
    """Tokens on which both fire."""
    is_match: bool
    """Whether each is the other's nearest, beyond chance."""
    cosine: float | None
    """Of the two decoder rows; None where widths differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A feature of the larger dictionary that covers a part of this one's firings."""

    feature: int
    """Its number."""
    share: float
    """Share of the firings that it adds to the ones before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitInto:
    """What a feature is in a larger dictionary."""

    children: tuple[Child, ...]
    """The one that covers most first."""
    recall: float
    """Share of the firings on which at least one of them fires, on windows that they were not chosen on."""
    interval: Interval
    """95 % interval over windows."""
    alone: float
    """Of the first child alone."""
    control: float
    """Of as many features at random, as dense."""
    n: int
    """Firings that these shares are of."""
    is_split: bool
    """Whether the other children add more than random features do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Taker:
    """A feature that takes another's part."""

    feature: int
    """Its number."""
    count: int
    """Tokens on which it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Absorbed:
    """What becomes of a feature's strong firings in a larger dictionary."""

    n_strong: int
    """Strong firings."""
    n_silent: int
    """Where its match is silent."""
    n_absorbed: int
    """Where another feature takes the match's part."""
    n_control: int
    """The same by another feature's direction."""
    takers: tuple[Taker, ...]
    """The most frequent first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureInteractions:
    """One feature beside the features of one dictionary."""

    run: str
    """Name of the run."""
    index: str
    """The index whose features are named."""
    site: str
    """Where its dictionary reads."""
    is_own: bool
    """Whether it is the feature's own dictionary."""
    n_counted: int
    """Tokens that counts are over."""
    n_windows: int
    """Windows that intervals are over."""
    together: tuple[FiresWith, ...]
    """The most associated first."""
    direction: Direction | None
    """Whether paths lead to the other dictionary or come from it; None where there are none."""
    paths: tuple[PathTo, ...]
    """By |TWERA|."""
    match: Match | None
    """None where it never fires with any."""
    split: SplitInto | None
    """None where the other dictionary is the smaller one, or nothing covers a part."""
    part_of: tuple[int, ...]
    """Features of a smaller dictionary that it is a child of."""
    absorbed: Absorbed | None
    """None where it was not looked for or there is no match."""
    takes_part_of: tuple[Taker, ...]
    """Features of a smaller dictionary whose match it replaces, and on how many tokens."""

    @property
    def named(self) -> set[int]:
        """The features of the other dictionary that are told of."""
        found = {one.feature for one in (*self.together, *self.paths, *self.takes_part_of)} | set(self.part_of)
        found |= {self.match.feature} if self.match else set()
        found |= {one.feature for one in self.split.children} if self.split else set()
        return found | ({one.feature for one in self.absorbed.takers} if self.absorbed else set())


def feature_interactions(run: Interactions, side: int, feature: int) -> FeatureInteractions:
    """What a run says of one feature of one of its dictionaries."""
    manifest = run.manifest
    is_own = len(manifest.spec.indexes) == 1
    other = side if is_own else 1 - side
    source = manifest.source
    is_parent = side == manifest.parents
    return FeatureInteractions(
        run=manifest.name,
        index=manifest.spec.indexes[other],
        site=manifest.sites[other],
        is_own=is_own,
        n_counted=manifest.n_counted,
        n_windows=manifest.n_windows,
        together=_together(run, side, feature),
        direction=None if source is None else "to" if source == side else "from",
        paths=() if source is None else _paths(run, side, feature),
        match=None if is_own else _match(run, side, feature),
        split=_split(run, feature) if is_parent else None,
        part_of=() if is_own or is_parent else _part_of(run, feature),
        absorbed=_absorbed(run, feature) if is_parent and not manifest.no_absorbers else None,
        takes_part_of=() if is_own or is_parent or manifest.no_absorbers else _takes_part_of(run, feature),
    )


def _together(run: Interactions, side: int, feature: int) -> tuple[FiresWith, ...]:
    partners = run.partners(side)
    return tuple(
        FiresWith(
            feature=int(partners.feature[feature, slot]),
            count=int(partners.count[feature, slot]),
            expected=float(partners.expected[feature, slot]),
            pmi=float(partners.pmi[feature, slot]),
            interval=(float(partners.low[feature, slot]), float(partners.high[feature, slot])),
        )
        for slot in np.flatnonzero(partners.told[feature]).tolist()
    )


def _paths(run: Interactions, side: int, feature: int) -> tuple[PathTo, ...]:
    paths = run.paths(side)
    return tuple(
        PathTo(
            feature=int(paths.feature[feature, slot]),
            weight=float(paths.weight[feature, slot]),
            era=float(paths.era[feature, slot]),
            twera=float(paths.twera[feature, slot]),
            count=int(paths.count[feature, slot]),
            rank=int(paths.rank[feature, slot]),
        )
        for slot in np.flatnonzero(paths.count[feature]).tolist()
    )


def _match(run: Interactions, side: int, feature: int) -> Match | None:
    found = run.matches(side)
    if found.count[feature] == 0:
        return None
    cosine = float(found.cosine[feature])
    return Match(
        feature=int(found.feature[feature]),
        correlation=float(found.correlation[feature]),
        interval=(float(found.low[feature]), float(found.high[feature])),
        count=int(found.count[feature]),
        is_match=bool(found.is_match[feature]),
        cosine=cosine if np.isfinite(cosine) else None,
    )


def _split(run: Interactions, feature: int) -> SplitInto | None:
    found = run.splits
    there = np.flatnonzero(found.gain[feature] > 0).tolist()
    if not there or not found.n[feature]:
        return None
    return SplitInto(
        children=tuple(
            Child(feature=int(found.child[feature, slot]), share=float(found.gain[feature, slot])) for slot in there
        ),
        recall=float(found.recall[feature]),
        interval=(float(found.low[feature]), float(found.high[feature])),
        alone=float(found.alone[feature]),
        control=float(found.control[feature]),
        n=int(found.n[feature]),
        is_split=bool(found.is_split[feature]),
    )


def _part_of(run: Interactions, feature: int) -> tuple[int, ...]:
    found = run.splits
    return tuple(np.flatnonzero(((found.child == feature) & (found.gain > 0)).any(1)).tolist())


def _absorbed(run: Interactions, feature: int) -> Absorbed | None:
    found = run.absorption
    if not found.n_strong[feature]:
        return None
    takers = zip(found.absorber[feature].tolist(), found.count[feature].tolist(), strict=True)
    return Absorbed(
        n_strong=int(found.n_strong[feature]),
        n_silent=int(found.n_silent[feature]),
        n_absorbed=int(found.n_absorbed[feature]),
        n_control=int(found.n_control[feature]),
        takers=tuple(Taker(feature=taker, count=count) for taker, count in takers if count),
    )


def _takes_part_of(run: Interactions, feature: int) -> tuple[Taker, ...]:
    found = run.absorption
    place, slot = np.nonzero((found.absorber == feature) & (found.count > 0))
    counts = found.count[place, slot].tolist()
    return tuple(Taker(feature=parent, count=count) for parent, count in zip(place.tolist(), counts, strict=True))
