"""Features that fire on the translations of one sentence, whatever the language.

    kept       share of the sentences that fire a feature in English whose translation fires it as well
    by chance  share of the other sentences of that language that fire it
    lift       kept - by chance, over all features that fire in English, by language

Each feature has a home: the English sentence that fires it most. Its agreement is the mean over the other languages of
its activation on the translation of that sentence, in standard deviations over that language's sentences. Home is
chosen in English, and agreement measured in the others only. Its null is the same with the sentences of each language
shuffled, and of all features as many are called multilingual as a false discovery rate of 5 % allows (Benjamini and
Hochberg 1995). The layer's neurons go through the same, and so does a random direction for each feature that fires on
as many tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.dictionaries import Dictionary
from hooke.dictionaries.dictionary import check_fits
from hooke.errors import BadRequest
from hooke.evaluate.concept_controls import NEURONS, RANDOM, measured
from hooke.findings import Estimate, Finding, estimate
from hooke.models.model import Model
from hooke.sites import FeatureName
from hooke.text.translations import Translated

_RATE = 0.05
_MOST = 0.25
"""Features that fire on more of the sentences than this cannot tell one from another."""
_N_SHUFFLES = 20_000
_NAMES = {RANDOM: "random directions of the same firing rate", NEURONS: "neurons of the layer"}
_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguageRow:
    """One language beside English."""

    language: str
    """ISO 639-1 code."""
    kept: Estimate
    """Share of the pairs of feature and sentence in English whose translation fires the feature as well."""
    by_chance: Estimate
    """Share of the other sentences of the language that fire it."""
    lift: Estimate
    """The difference."""
    control_lift: Estimate
    """That of random directions of the same firing rate."""
    above: Estimate
    """How far the lift lies above that, with the same sentences drawn for both."""
    neuron_lift: Estimate | None
    """That of the layer's neurons; None where the dictionary is of neurons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslatedFeature:
    """A feature that fires on one sentence's translations."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    sentence: str
    """The English sentence that fires it most."""
    agreement: float
    """Mean over the other languages of its activation on the translations, in standard deviations."""
    chance: float
    """Share of shuffles with as much."""
    languages: tuple[str, ...]
    """Languages whose translation fires it."""
    density: float
    """Share of all texts that fire it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Multilingual:
    """How many features are called multilingual."""

    name: str
    """Whose features."""
    n: int
    """Features that fire on some English sentences and not on too many."""
    n_found: int
    """Those called multilingual."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslatedFeatures:
    """A dictionary on translated sentences."""

    dictionary: str
    """The dictionary."""
    model: str
    """The model."""
    n_sentences: int
    """Sentences."""
    languages: tuple[LanguageRow, ...]
    """By language."""
    counts: tuple[Multilingual, ...]
    """The dictionary's first, then its controls'."""
    features: tuple[TranslatedFeature, ...]
    """Those called multilingual, the largest agreement first."""
    seed: int
    """Seed of the shuffles, the controls and the intervals."""

    @property
    def verdict(self) -> str:
        """How many features are multilingual."""
        own, *others = self.counts
        beside = ", ".join(f"{one.n_found} of {one.n} {one.name}" for one in others)
        return f"{own.n_found or 'none'} of {own.n} features fire on one sentence's translations; {beside}"

    def findings(self) -> tuple[Finding, ...]:
        """For each language what translations have more than other sentences, beside random directions."""
        return tuple(
            Finding(
                claim=f"{self.dictionary}: features that a sentence fires in English fire on it in '{row.language}', "
                "more than on other sentences",
                value=row.lift.value,
                interval=row.lift.interval,
                n=self.n_sentences,
                control=row.control_lift.value,
                control_interval=row.control_lift.interval,
                control_name=_NAMES[RANDOM],
                method=f"{row.kept.value:.3f} kept, {row.by_chance.value:.3f} by chance; above the "
                f"control {row.above.value:.3f} from {row.above.interval[0]:.3f}; bootstrap over sentences",
                seed=self.seed,
            )
            for row in self.languages
        )


def translated_features(
    items: Sequence[Translated], dictionary: Dictionary, model: Model, *, seed: int = 0
) -> TranslatedFeatures:
    """What a dictionary's features do on sentences in several languages, the first of them English.

    Raises:
        BadRequest: a sentence is not in every language, or the dictionary reads several sites.
        ShapeMismatch, UnknownSite: the dictionary is not of this model.
    """
    check_fits(dictionary, model)
    languages = tuple(dict.fromkeys(one.language for one in items))
    sentences = list(dict.fromkeys(one.sentence for one in items))
    at = {(one.sentence, one.language): place for place, one in enumerate(items)}
    if len(dictionary.reads) != 1 or len(languages) < 2 or len(at) != len(sentences) * len(languages):
        raise BadRequest(
            "Translations cannot be compared.",
            f"{len(items)} texts of {len(sentences)} sentences in {len(languages)} languages; "
            f"'{dictionary.name}' reads {len(dictionary.reads)} sites.",
            "Give every sentence in every language, and a dictionary that reads one site.",
        )
    places = np.array([[at[sentence, language] for language in languages] for sentence in sentences])
    texts_as = measured(dictionary, model, [one.text for one in items], seed=seed)
    columns = {"": texts_as.own} | texts_as.controls
    # The mean over tokens stands behind the largest.
    table = {name: _Table.of(values[:, : values.shape[1] // 2][places]) for name, values in columns.items()}
    own = table[""]
    passed = {name: one.passed(seed) for name, one in table.items()}
    fired = {name: one.fired() for name, one in table.items()}
    texts = {one.sentence: one.text for one in items if one.language == languages[0]}
    rows = tuple(
        _row(language, {name: some[at] for name, some in fired.items()}, seed)
        for at, language in enumerate(languages[1:])
    )
    found = [
        TranslatedFeature(
            feature=int(own.features[one]),
            address=str(FeatureName(dictionary.reads[0], int(own.features[one]), dictionary.name)),
            sentence=texts[sentences[int(own.home[one])]],
            agreement=float(own.agreement[one]),
            chance=float(passed[""].chances[one]),
            languages=tuple(
                language for language, fires in zip(languages, own.fires[own.home[one], :, one], strict=True) if fires
            ),
            density=float(own.density[one]),
        )
        for one in np.flatnonzero(passed[""].found)
    ]
    return TranslatedFeatures(
        dictionary=dictionary.name,
        model=model.name,
        n_sentences=len(sentences),
        languages=rows,
        counts=tuple(
            Multilingual(
                name=_NAMES.get(name, dictionary.name), n=len(table[name].features), n_found=int(one.found.sum())
            )
            for name, one in passed.items()
        ),
        features=tuple(sorted(found, key=lambda one: -one.agreement)),
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Passed:
    """The chance of each feature's agreement, and which are called multilingual."""

    chances: Float[ndarray, " feature"]
    found: Bool[ndarray, " feature"]


@dataclass(frozen=True, slots=True)
class _Table:
    """Features that fire on some English sentences and not on too many: activations by sentence and language."""

    features: Int[ndarray, " feature"]
    """Their numbers."""
    values: Float[ndarray, "sentence language feature"]

    @staticmethod
    def of(values: Float[ndarray, "sentence language feature"]) -> "_Table":
        """Of what all features do."""
        n = (values[:, 0] > 0).sum(0)
        features = np.flatnonzero((n > 0) & (n <= _MOST * len(values)))
        return _Table(features, values[:, :, features])

    @property
    def fires(self) -> Bool[ndarray, "sentence language feature"]:
        """Where each fires."""
        return self.values > 0

    @property
    def density(self) -> Float[ndarray, " feature"]:
        """Share of all texts that fire each."""
        return self.fires.mean((0, 1))

    @property
    def home(self) -> Int[ndarray, " feature"]:
        """The English sentence that fires each most."""
        return self.values[:, 0].argmax(0)

    @property
    def standing(self) -> Float[ndarray, "sentence language feature"]:
        """Activations in the other languages, less each language's mean, in its standard deviations."""
        others = self.values[:, 1:]
        spread = others.std(0)
        return np.divide(others - others.mean(0), spread, out=np.zeros_like(others), where=spread > 0)

    @property
    def agreement(self) -> Float[ndarray, " feature"]:
        """How far the translations of its home stand out, mean over the other languages."""
        return self.standing[self.home, :, np.arange(len(self.features))].mean(1)

    def passed(self, seed: int) -> _Passed:
        """Each feature's chance over shuffles of the sentences of each language."""
        n_sentences, n_languages = len(self.values), self.values.shape[1] - 1
        drawn = np.random.default_rng(seed).integers(0, n_sentences, (_N_SHUFFLES, n_languages))
        chances, standing, agreement = np.empty(len(self.features)), self.standing, self.agreement
        for start in range(0, len(chances), _AT_ONCE):
            part = standing[:, :, start : start + _AT_ONCE]
            shuffled = sum(part[drawn[:, at], at] for at in range(n_languages)) / n_languages
            as_much = (shuffled >= agreement[start : start + _AT_ONCE] - 1e-9).sum(0)
            chances[start : start + _AT_ONCE] = (1 + as_much) / (1 + _N_SHUFFLES)
        return _Passed(chances, discovered(chances))

    def fired(self) -> list["_Fired"]:
        """By language, beside English."""
        english, n = self.fires[:, 0].astype(np.float64), len(self.values)
        found = []
        for at in range(1, self.values.shape[1]):
            here = self.fires[:, at].astype(np.float64)
            by_chance = english * (here.sum(0) - here) / (n - 1)
            found.append(_Fired(english.sum(1), (english * here).sum(1), by_chance.sum(1)))
        return found


@dataclass(frozen=True, slots=True)
class _Fired:
    """Sums over features, by sentence."""

    english: Float[ndarray, " sentence"]
    """Features that it fires in English."""
    kept: Float[ndarray, " sentence"]
    """Those of them that its translation fires."""
    by_chance: Float[ndarray, " sentence"]
    """Those that another sentence of the language fires, in the mean."""

    @property
    def lift(self) -> Float[ndarray, " sentence"]:
        """What translations have more."""
        return self.kept - self.by_chance


def _row(language: str, fired: dict[str, _Fired], seed: int) -> LanguageRow:
    own, control, neurons = fired[""], fired[RANDOM], fired.get(NEURONS)
    return LanguageRow(
        language=language,
        kept=_ratio([(own.kept, own.english)], seed),
        by_chance=_ratio([(own.by_chance, own.english)], seed),
        lift=_ratio([(own.lift, own.english)], seed),
        control_lift=_ratio([(control.lift, control.english)], seed),
        above=_ratio([(own.lift, own.english), (control.lift, control.english)], seed),
        neuron_lift=None if neurons is None else _ratio([(neurons.lift, neurons.english)], seed),
    )


def discovered(chances: Float[ndarray, " n"], rate: float = _RATE) -> Bool[ndarray, " n"]:
    """Which of many chances are called discoveries at a false discovery rate (Benjamini and Hochberg 1995)."""
    order = np.argsort(chances, kind="stable")
    fine = np.flatnonzero(chances[order] <= rate * np.arange(1, len(chances) + 1) / max(1, len(chances)))
    found = np.zeros(len(chances), dtype=bool)
    found[order[: fine[-1] + 1 if len(fine) else 0]] = True
    return found


def _ratio(pairs: Sequence[tuple[ndarray, ndarray]], seed: int) -> Estimate:
    """Σ parts / Σ wholes over sentences, less that of a second pair; 0 where no feature fires at all."""

    def statistic(units: ndarray) -> ndarray:
        rows = units.astype(np.int64)
        first, *rest = (
            np.divide(parts[rows].sum(-1), whole, out=np.zeros_like(whole), where=whole > 0)
            for parts, whole in ((parts, wholes[rows].sum(-1)) for parts, wholes in pairs)
        )
        return first - sum(rest)

    sentences = np.arange(len(pairs[0][0]), dtype=np.float64)
    return estimate(sentences, generator=np.random.default_rng(seed), statistic=statistic)
