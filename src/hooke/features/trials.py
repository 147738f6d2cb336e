"""What a label is tried on: passages in which its feature fires, and passages in which it is silent, most of them hard.

Firings are taken from the strongest to the weakest, not only the strongest, which flatter every label. Silent passages
are of three kinds: those where the feature comes closest to firing (by activation), those with the same words (by
text), and random ones, on which nearly every label looks good.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.features.evidence import Evidence
from hooke.features.places import NOTHING, KeyIndex, PlaceReader
from hooke.features.shards import Postings
from hooke.features.store import fine_levels
from hooke.features.vocabulary import Vocabulary

BEFORE, AFTER = 24, 7
"""Tokens of a passage before and after the one that it is about."""
N_FIRING, N_HARD, N_RANDOM = 50, 25, 50
"""Passages of a trial: with a firing, of each hard kind, and at random."""
FEWEST = 10
"""Passages with a firing, and hard ones without, below which a feature is not tried: any score would be luck."""
N_FIFTHS = 5

_STRETCH = BEFORE + AFTER + 1
_FORMS = 4


@dataclass(frozen=True)
class Passages:
    """Stretches of a text."""

    peaks: Int[ndarray, " passage"]
    """The position that each is about."""
    starts: Int[ndarray, " passage"]
    """Where each begins."""
    stops: Int[ndarray, " passage"]
    """Where each ends, not included."""

    @staticmethod
    def around(peaks: Int[ndarray, " passage"], context: int) -> "Passages":
        """The passages around some positions, none of which leaves its window."""
        first = peaks - peaks % context
        starts = np.maximum(peaks - BEFORE, first)
        return Passages(peaks, starts, np.minimum(peaks + AFTER + 1, first + context))

    @cached_property
    def tokens(self) -> Int[ndarray, " token"]:
        """The positions of all of their tokens, passage after passage."""
        lengths = self.stops - self.starts
        first = np.repeat(self.starts - np.cumsum(lengths) + lengths, lengths)
        return first + np.arange(lengths.sum())

    def joined(self, *others: "Passages") -> "Passages":
        """These and others, one after the other."""
        parts = (self, *others)
        return Passages(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("peaks", "starts", "stops"))
        )

    def __len__(self) -> int:
        return len(self.peaks)

    def __getitem__(self, chosen: ndarray | slice) -> "Passages":
        return Passages(self.peaks[chosen], self.starts[chosen], self.stops[chosen])


@dataclass(frozen=True)
class Trial:
    """The passages that labels of one feature are tried on."""

    feature: int
    """The feature."""
    fires: Int[ndarray, " firing"]
    """Every position on which it fires, in order."""
    levels: Float[ndarray, " firing"]
    """Its activation on each."""
    firing: Passages
    """Passages around firings, from the strongest to the weakest."""
    fifths: Int[ndarray, " passage"]
    """The fifth of all firings, by strength, that each is from: 0 is the strongest."""
    near: Passages
    """Passages without a firing around its near misses, the closest first."""
    alike: Passages
    """Passages without a firing around the words that it fires on elsewhere."""
    random: Passages
    """Passages without a firing from anywhere."""

    @cached_property
    def hard(self) -> Passages:
        """Both hard kinds."""
        return self.near.joined(self.alike)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough passages to try a label on."""
        return min(len(self.firing), len(self.hard), len(self.random)) >= FEWEST


class TrialMaker:
    """Makes trials from a reading of a text."""

    def __init__(self, evidence: Evidence, vocabulary: Vocabulary, *, seed: int = 0) -> None:
        self.evidence = evidence
        self.reader = PlaceReader(vocabulary, evidence.text)
        self._seed = seed

    @cached_property
    def keys(self) -> KeyIndex:
        """The keys of every counted position."""
        return KeyIndex(self.reader.read(self.evidence.counted))

    def trial(self, postings: Postings, order: Int[ndarray, " entry"], place: int) -> Trial:
        """The trial of the feature at a place of a range, given the range's entries by strength."""
        feature, context = postings.first + place, self.evidence.context
        here = postings.of(place)
        fires, ranked = postings.positions[here], postings.positions[order[here]]
        peaks, ranks = _one_a_stretch(ranked)
        chosen = np.unique(np.linspace(0, len(peaks) - 1, N_FIRING).round().astype(np.int64)) if len(peaks) else peaks
        rng = np.random.default_rng((self._seed, feature))
        firing = Passages.around(peaks[chosen], context)
        near = self._silent(self.evidence.misses(feature), fires)[:N_HARD]
        return Trial(
            feature=feature,
            fires=fires,
            levels=fine_levels(postings.codes[here]),
            firing=firing,
            fifths=ranks[chosen] * N_FIFTHS // max(len(ranked), 1),
            near=near,
            alike=self._alike(firing, fires, near, rng)[:N_HARD],
            random=self._silent(rng.choice(self.evidence.counted, 4 * N_RANDOM), fires)[:N_RANDOM],
        )

    def _silent(self, positions: Int[ndarray, " some"], fires: Int[ndarray, " firing"]) -> Passages:
        """The passages around positions in which nothing fires."""
        passages = Passages.around(positions, self.evidence.context)
        return passages[~has_any(fires, passages)]

    def _alike(
        self, firing: Passages, fires: Int[ndarray, " firing"], near: Passages, rng: np.random.Generator
    ) -> Passages:
        """Passages around the tokens that it fires on most, those behind the same token first; none twice."""
        if not len(firing):
            return firing
        places = self.reader.read(firing.peaks, context=False)
        tokens = _commonest(places.keys["current"], _FORMS)
        before = _commonest(places.keys["previous"], _FORMS)
        found = self.evidence.counted[self.keys.having("current", tokens)]
        passages = self._silent(rng.permutation(found)[: 40 * N_HARD], fires)
        passages = passages[~np.isin(passages.peaks // _STRETCH, near.peaks // _STRETCH)]
        _, firsts = np.unique(passages.peaks // _STRETCH, return_index=True)
        passages = passages[np.sort(firsts)]
        same = self.reader.read(passages.peaks, context=False).having("previous", before)
        return passages[np.argsort(~same, kind="stable")]


def has_any(positions: Int[ndarray, " some"], passages: Passages) -> Bool[ndarray, " passage"]:
    """In which passages one of some positions, in order, lies."""
    return np.searchsorted(positions, passages.starts) < np.searchsorted(positions, passages.stops)


def _one_a_stretch(ranked: Int[ndarray, " firing"]) -> tuple[Int[ndarray, " peak"], Int[ndarray, " peak"]]:
    """The strongest firing of every stretch of text, strongest first, and its rank among all of them."""
    _, firsts = np.unique(ranked // _STRETCH, return_index=True)
    ranks = np.sort(firsts)
    return ranked[ranks], ranks


def _commonest(keys: Int[ndarray, "place key"], n: int) -> tuple[int, ...]:
    found, counts = np.unique(keys[keys != NOTHING].astype(np.int64), return_counts=True)
    return tuple(found[np.argsort(-counts, kind="stable")[:n]].tolist())
