"""A first label for every feature, from counting alone: no person and no language model has seen it.

What is explained is the strongest fifth of a feature's firings (the fifty strongest, where that is more); where no rule
is good enough for them the strongest fiftieth is tried, and the label says so. The best simple rule of each kind is
found on half of a sample of them and on a sample of the corpus, and the best of all is kept: a token, a phrase (a token
beside its neighbour), how a token is written, the part of the corpus, or words of the context. It is then scored on the
other half (other documents, where there are several) against random tokens on which the feature is silent and which no
rule was made from: balanced accuracy, and F1 at the density of those firings.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from hooke.features.examples import evenly
from hooke.features.labels import Label
from hooke.features.places import KeyIndex, PlaceReader, Places, Test
from hooke.features.rules import Firings, Rule, best_rule
from hooke.features.shards import Postings, ShardReader
from hooke.features.vocabulary import Vocabulary
from hooke.features.wording import rule_text, search_words

STRONG, STRONGEST = 5, 50
"""The strongest of every so many firings are explained; the second is tried where the first finds no rule."""
LEAST_STRONG = 50
"""But at least as many as this, where there are."""
N_FIRINGS = 128
"""Strong firings that a rule is made from and scored on, from the strongest to the weakest of them."""
N_RATES = 2**20
"""Tokens of the corpus on which keys are counted."""
N_CONTEXTS = 2**15
"""Tokens of the corpus whose contexts are counted; half of them are kept for scoring."""
WEAKEST_F1, WEAKEST_SCORE = 0.2, 0.6
"""F1 and balanced accuracy below which a rule says too little to be shown as one."""

FEWEST = 8
"""Firings below which no rule is looked for."""

_CONTEXT_MARGIN = 0.03
_AT_ONCE = 256
KINDS: dict[Test, str] = {
    "current": "token",
    "pair": "phrase",
    "previous": "phrase",
    "following": "phrase",
    "class": "form",
    "class before": "form",
    "source": "source",
    "context": "context",
}


@dataclass(frozen=True)
class Background:
    """The corpus at large: how often keys come up, and random tokens to score on."""

    rates: dict[Test, KeyIndex]
    """Where the keys of each test were counted."""
    judged: KeyIndex
    """Places to score on."""
    offsets: Int[ndarray, " feature_plus_one"]
    """Where each feature's part of `fires` begins."""
    fires: Int[ndarray, " entry"]
    """The places to score on at which each feature fires."""

    @staticmethod
    def read(reader: PlaceReader, shards: ShardReader) -> "Background":
        """The background of the shards' corpus."""
        tokens = KeyIndex(reader.read(_spread(shards, N_RATES), context=False))
        sampled = _spread(shards, N_CONTEXTS)
        contexts, judged = KeyIndex(reader.read(sampled[::2])), sampled[1::2]
        counts, features = shards.rows(judged)
        place = np.repeat(np.arange(len(judged)), counts)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(features, minlength=shards.n_features))])
        rates: dict[Test, KeyIndex] = {test: contexts if test == "context" else tokens for test in KINDS}
        order = np.argsort(features, kind="stable")
        return Background(rates, KeyIndex(reader.read(judged)), offsets, place[order])


def _spread(shards: ShardReader, n: int) -> Int[ndarray, " place"]:
    """About `n` counted positions, evenly spaced over the corpus."""
    text = shards.text
    step = max(1, text.n_tokens // n)
    positions = np.arange(step // 2, text.n_tokens, step)
    return positions[text.take("counted", positions)]


class Explainer:
    """Makes the labels of feature ranges against one background."""

    def __init__(self, vocabulary: Vocabulary, shards: ShardReader, sources: tuple[str, ...], n_counted: int) -> None:
        self.reader = PlaceReader(vocabulary, shards.text)
        self.background = Background.read(self.reader, shards)
        self.vocabulary, self.sources = vocabulary, sources
        self._text, self._n_counted = shards.text, n_counted

    def labels(
        self, postings: Postings, order: Int[ndarray, " entry"], promoted: Int[ndarray, "range token"]
    ) -> Iterator[Label]:
        """A label for every feature of a range, given its entries by strength and the tokens that it promotes."""
        counts = np.diff(postings.offsets)
        for first in range(0, len(postings), _AT_ONCE):
            places = np.arange(first, min(first + _AT_ONCE, len(postings)))
            for place, firings in zip(places, self.samples(postings, order, places, STRONG), strict=True):
                label = self._label(postings.first + int(place), firings, promoted[place])
                if label.kind == "none":
                    n = int(_n_strong(counts[[place]], STRONGEST)[0])
                    (strongest,) = self.samples(postings, order, np.array([place]), STRONGEST)
                    other = self._label(label.feature, strongest, promoted[place])
                    label = label if other.kind == "none" else replace(other, text=f"{other.text} (strongest {n})")
                yield label

    def samples(
        self, postings: Postings, order: Int[ndarray, " entry"], places: Int[ndarray, " some"], one_in: int
    ) -> list[Firings]:
        """Firings of some features: strong ones, from the strongest to the weakest of them, and others."""
        starts, counts = postings.offsets[:-1][places], np.diff(postings.offsets)[places]
        n_strong = _n_strong(counts, one_in)
        strong = self._read(postings, order, *evenly(starts, n_strong, N_FIRINGS))
        weak = self._read(postings, order, *evenly(starts + n_strong, counts - n_strong, N_FIRINGS // 2))
        densities = (n_strong / self._n_counted).tolist(), ((counts - n_strong) / self._n_counted).tolist()
        return [Firings(*sample) for sample in zip(strong, weak, *densities, strict=True)]

    def _read(
        self, postings: Postings, order: Int[ndarray, " entry"], ranks: Int[ndarray, "some n"], there: ndarray
    ) -> list[Places]:
        """For each of some features the places of the entries with these ranks."""
        places = self.reader.read(postings.positions[order[ranks[there]]])
        ends = np.cumsum(there.sum(1)).tolist()
        return [places[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _label(self, feature: int, sample: Firings, promoted: Int[ndarray, " token"]) -> Label:
        if len(sample.strong) < FEWEST:
            return too_rare(feature, len(sample.strong))
        made = self._half(sample.strong)
        firings = Firings(sample.strong[made], sample.weak, sample.density, sample.weak_density)
        rule, is_output = self._best(firings, promoted)
        text = rule_text(rule, firings.strong, self.reader, self.sources, is_output=is_output)
        rates, forms = self.background.rates, self.vocabulary.forms
        words = search_words(rule, firings.strong, self.reader, rates, forms, promoted)
        score, f1, n = self._score(feature, rule, sample.strong[~made], sample.density)
        kind = KINDS[rule.test]
        if f1 < WEAKEST_F1 or score < WEAKEST_SCORE:
            text, kind = f"no simple rule (best: {text})", "none"
        return Label(
            feature=feature, text=text, source="rule", kind=kind, score=score, f1=f1, n=n, words=" ".join(words)
        )

    def _half(self, firings: Places) -> Bool[ndarray, " place"]:
        """Those to make a rule from: of every second document, or the first half where few documents hold most."""
        documents = self._text.take("document", firings.positions)
        made = np.unique(documents, return_inverse=True)[1] % 2 == 0
        is_lopsided = not 0.25 <= made.mean() <= 0.75
        return firings.positions < np.median(firings.positions) if is_lopsided else made

    def _best(self, firings: Firings, promoted: Int[ndarray, " token"]) -> tuple[Rule, bool]:
        """The rule with the largest F1, and whether it is that a promoted token follows. Context has to win clearly."""
        found = [self.output_rule(firings, promoted)]
        for test in KINDS:
            best = best_rule(test, firings, self.background.rates[test])
            if best is not None:
                f1, rule = best
                found.append((f1 - (_CONTEXT_MARGIN if test == "context" else 0), rule, False))
        _, rule, is_output = max(found, key=lambda one: one[0])
        return rule, is_output

    def output_rule(self, firings: Firings, promoted: Int[ndarray, " token"]) -> tuple[float, Rule, bool]:
        """That one of the promoted tokens follows, and its F1."""
        forms = np.unique(self.vocabulary.forms.of_token[promoted]).astype(np.int64)
        keys = tuple(forms.tolist())
        rate = self.background.rates["following"].rates("following", forms).sum()
        shares = [
            places.having("following", keys).mean() if len(places) else 0.0 for places in (firings.strong, firings.weak)
        ]
        f1 = firings.f1(*(np.array([number]) for number in (shares[0], rate, shares[1])))
        return float(f1[0]), Rule("following", keys), True

    def _score(self, feature: int, rule: Rule, firings: Places, density: float) -> tuple[float, float, int]:
        """Balanced accuracy, F1 at the density of strong firings, and the number of places they are over."""
        background = self.background
        firing = background.fires[background.offsets[feature] : background.offsets[feature + 1]]
        n_silent = background.judged.n_places - len(firing)
        recall = float(firings.having(rule.test, rule.keys).mean())
        alarms = np.setdiff1d(background.judged.having(rule.test, rule.keys), firing, assume_unique=True)
        false = len(alarms) / max(n_silent, 1)
        f1 = 2 * recall * density / (density + recall * density + false)
        return (recall + 1 - false) / 2, f1, len(firings) + n_silent


def _n_strong(counts: Int[ndarray, " some"], one_in: int) -> Int[ndarray, " some"]:
    return np.maximum(-(-counts // one_in), np.minimum(counts, LEAST_STRONG))


def too_rare(feature: int, n: int) -> Label:
    """The label of a feature that fires too rarely for a rule."""
    text = f"too rare: active on {n} tokens" if n else "dead: never active on this text"
    kind = "rare" if n else "dead"
    return Label(feature=feature, text=text, source="rule", kind=kind, score=None, f1=None, n=n, words="")
