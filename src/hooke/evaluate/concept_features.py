"""Single features that tell a concept: chosen on some groups of texts, confirmed once on the others, beside controls.

Every text gives the largest and the mean activation of every feature over its tokens, the first left out. The features
of the largest effect (`concept_groups`) on one half of the groups are the candidates. On the other half each has an
interval over groups, and the share of swaps of labels that do as well, corrected for the number of candidates. It is
found only if it lies above every control on these same groups, too: features that fire as often, the best neuron and
the best random direction, chosen as the candidates were, and a probe of words alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.dictionaries import Dictionary
from hooke.dictionaries.dictionary import check_fits
from hooke.errors import BadRequest
from hooke.evaluate.concept_controls import WORDS, alike, measured, stream_scores, word_scores
from hooke.evaluate.concept_groups import (
    Split,
    Sums,
    by_luck,
    corrected,
    estimate_effect,
    searched_by_luck,
    split_groups,
    texts_of,
    threshold,
)
from hooke.findings import Estimate, Finding, estimate_ratio
from hooke.models.model import Model
from hooke.sites import FeatureName
from hooke.text.concepts import Labelled

Pooling = Literal["max", "mean"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
Level = Literal["not surely told", "told", "told beyond controls"]
_ALPHA = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptConfig:
    """How features are chosen and confirmed."""

    n_candidates: int = 5
    """Features that are confirmed."""
    n_matched: int = 100
    """Features of nearly the same firing rate that each stands beside."""
    n_swaps: int = 10_000
    """Swaps of labels."""
    seed: int = 0
    """Seed of the split, the controls and the intervals."""

    def __post_init__(self) -> None:
        if min(self.n_candidates, self.n_matched, self.n_swaps) < 1:
            raise BadRequest(
                "Features cannot be chosen and confirmed this way.",
                f"{self.n_candidates} candidates, {self.n_matched} matched features, {self.n_swaps} swaps.",
                "Give 1 or more of each.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """A control, and how far a feature lies above it with the same groups drawn for both."""

    control: str
    """What it is."""
    effect: Estimate
    """Its effect."""
    above: Estimate
    """The feature's effect less that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A feature that was chosen, and what became of it on the other groups."""

    feature: int
    """Its number."""
    address: str
    """Its address."""
    pooling: Pooling
    """What of a text's activations tells."""
    chosen: float
    """Effect on the groups that it was chosen on: the largest of thousands, and so too large."""
    effect: Estimate
    """Effect on the other groups."""
    chance: float
    """Share of swaps of whole groups' labels whose effect is as large, corrected for the number of candidates."""
    matched: float
    """Effect that 95 of 100 features of the same firing rate stay below."""
    beside: tuple[Beside, ...]
    """Neurons, random directions, words."""
    caught: Estimate
    """Share of texts with the concept above a threshold that was set on the first groups."""
    near_misses: Estimate | None
    """The same of texts that look like it and lack it; None where there are none."""
    others: Estimate | None
    """The same of other texts that lack it; None where there are none."""
    largest: float
    """Largest activation on any of the texts: the unit in which it is steered."""

    @property
    def not_beaten(self) -> tuple[str, ...]:
        """Controls that it does not surely lie above."""
        matched = ("features that fire as often",) if self.effect.interval[0] <= self.matched else ()
        return (*(one.control for one in self.beside if one.above.interval[0] <= 0), *matched)

    @property
    def level(self) -> Level:
        """What may be said of it."""
        if self.chance >= _ALPHA or self.effect.interval[0] <= 0:
            return "not surely told"
        return "told" if self.not_beaten else "told beyond controls"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConceptFeatures:
    """A concept's candidates in a dictionary, beside their controls."""

    concept: str
    """Name of the set of texts."""
    dictionary: str
    """The dictionary."""
    model: str
    """The model."""
    n_texts: int
    """Texts in all."""
    n_chosen: int
    """Groups that candidates were chosen on."""
    n_confirmed: int
    """Groups that they were confirmed on."""
    candidates: tuple[Candidate, ...]
    """The largest effect on the first groups first."""
    reads: Estimate
    """Effect of a probe of everything that the dictionary reads: what there is to be found."""
    luck: float
    """Effect that 95 of 100 such searches with swapped labels stay below on the second groups."""
    config: ConceptConfig
    """How it was measured."""

    @property
    def found(self) -> tuple[Candidate, ...]:
        """The candidates that beat every control."""
        return tuple(one for one in self.candidates if one.level == "told beyond controls")

    @property
    def least_chance(self) -> float:
        """The smallest chance that any candidate can have here: that of its labels as they are, among all swaps."""
        return len(self.candidates) / 2**self.n_confirmed

    @property
    def verdict(self) -> str:
        """What may be said of the dictionary."""
        if self.found:
            return f"found: {', '.join(one.address for one in self.found)}"
        told = [one for one in self.candidates if one.level == "told"]
        if not told and self.least_chance >= _ALPHA:
            return (
                f"none can be found: with {len(self.candidates)} candidates on {self.n_confirmed} groups no chance is "
                f"below {self.least_chance:.2g}; give texts of more groups, or choose fewer candidates"
            )
        if not told:
            return "none found: no candidate surely tells the concept on groups that it was not chosen on"
        best = max(told, key=lambda one: one.effect.value)
        return f"none found: {best.address} tells it, but not surely more than {', '.join(best.not_beaten)}"

    def findings(self) -> tuple[Finding, ...]:
        """For each candidate its effect beside each control, and its false alarms beside its hits."""
        return tuple(finding for one in self.candidates for finding in self._findings_of(one))

    def _findings_of(self, one: Candidate) -> list[Finding]:
        what = f"{self.concept}: {one.address}"
        method = (
            f"effect in standard deviations of all texts, {one.pooling} over tokens; chosen on {self.n_chosen} groups, "
            f"confirmed on others; chance {one.chance:.2g} after Holm; {one.level}"
        )
        found = [
            Finding(
                claim=f"{what} tells it",
                value=one.effect.value,
                interval=one.effect.interval,
                control=beside.effect.value,
                control_interval=beside.effect.interval,
                control_name=beside.control,
                method=f"{method}; above it {beside.above.value:.2f}, from {beside.above.interval[0]:.2f}",
                n=self.n_confirmed,
                seed=self.config.seed,
            )
            for beside in one.beside
        ]
        if one.near_misses is not None:
            found.append(
                Finding(
                    claim=f"{what} fires on what only looks like it",
                    value=one.near_misses.value,
                    interval=one.near_misses.interval,
                    control=one.caught.value,
                    control_interval=one.caught.interval,
                    control_name="texts with the concept",
                    method="share of texts above a threshold that was set on other groups; bootstrap over groups",
                    n=self.n_confirmed,
                    seed=self.config.seed,
                )
            )
        return found


def concept_features(
    concept: str,
    items: Sequence[Labelled],
    dictionary: Dictionary,
    model: Model,
    *,
    config: ConceptConfig | None = None,
) -> ConceptFeatures:
    """The features of a dictionary that tell a concept.

    Raises:
        BadRequest: too few groups have texts with and without the concept, or the dictionary reads several sites.
        ShapeMismatch, UnknownSite: the dictionary is not of this model.
    """
    config = config or ConceptConfig()
    check_fits(dictionary, model)
    if len(dictionary.reads) != 1:
        raise BadRequest(
            f"'{dictionary.name}' cannot be read text by text.",
            f"It reads {len(dictionary.reads)} sites at once.",
            "Give a dictionary that reads one.",
        )
    split = split_groups(items, seed=config.seed)
    texts, labels = [one.text for one in items], np.array([one.label for one in items])
    texts_as = measured(dictionary, model, texts, seed=config.seed)
    fitted = texts_of(items, split.first)
    reads = stream_scores(texts_as.reads, labels, fitted)
    controls = {name: _best(values, items, split) for name, values in texts_as.controls.items()}
    controls[WORDS] = Sums.of(word_scores(texts, labels, fitted), items, split.second)
    searched = _Searched.of(texts_as.own, items, split, config)
    return ConceptFeatures(
        concept=concept,
        dictionary=dictionary.name,
        model=model.name,
        n_texts=len(items),
        n_chosen=len(split.first),
        n_confirmed=len(split.second),
        candidates=searched.candidates(dictionary, controls),
        reads=estimate_effect(Sums.of(reads, items, split.second), seed=config.seed),
        luck=float(np.percentile(searched_by_luck(searched.first, searched.second, seed=config.seed), 95)),
        config=config,
    )


def _best(values: Float[ndarray, "text column"], items: Sequence[Labelled], split: Split) -> Sums:
    """The column of the largest effect on the first groups, on the second."""
    best = int(Sums.of(values, items, split.first).effects()[0].argmax())
    return Sums.of(values[:, [best]], items, split.second)


@dataclass(frozen=True)
class _Searched:
    """A dictionary's columns on both halves."""

    values: Float[ndarray, "text column"]
    items: Sequence[Labelled]
    split: Split
    first: Sums
    second: Sums
    config: ConceptConfig

    @staticmethod
    def of(
        values: Float[ndarray, "text column"], items: Sequence[Labelled], split: Split, config: ConceptConfig
    ) -> "_Searched":
        """From what a dictionary makes of the texts."""
        first, second = (Sums.of(values, items, groups) for groups in (split.first, split.second))
        return _Searched(values, items, split, first, second, config)

    def chosen(self) -> list[int]:
        """Columns of the largest effects on the first groups, a feature once."""
        effects, n = self.first.effects()[0], self.values.shape[1] // len(POOLINGS)
        found: dict[int, int] = {}
        for column in np.argsort(-effects, kind="stable").tolist():
            if effects[column] <= 0 or len(found) == self.config.n_candidates:
                break
            found.setdefault(column % n, column)
        return list(found.values())

    def candidates(self, dictionary: Dictionary, controls: dict[str, Sums]) -> tuple[Candidate, ...]:
        """The chosen ones, confirmed."""
        columns, seed = self.chosen(), self.config.seed
        own = [self.second.column(column) for column in columns]
        chances = corrected([by_luck(one, n=self.config.n_swaps, seed=seed) for one in own])
        rates = (self.values[texts_of(self.items, self.split.first)] > 0).mean(0)
        effects, n = self.second.effects()[0], dictionary.n_features
        found = []
        for column, one, chance in zip(columns, own, chances, strict=True):
            pooling, feature = divmod(column, n)
            others = alike(rates, column, np.arange(n) + pooling * n, self.config.n_matched)
            caught, near, far = self._rates(column)
            found.append(
                Candidate(
                    feature=feature,
                    address=str(FeatureName(dictionary.reads[0], feature, dictionary.name)),
                    pooling=POOLINGS[pooling],
                    chosen=float(self.first.effects()[0, column]),
                    effect=estimate_effect(one, seed=seed),
                    chance=chance,
                    matched=float(np.percentile(effects[others], 95)) if len(others) else 0.0,
                    beside=tuple(
                        Beside(
                            control=name,
                            effect=estimate_effect(control, seed=seed),
                            above=estimate_effect(one, less=control, seed=seed),
                        )
                        for name, control in controls.items()
                    ),
                    caught=caught,
                    near_misses=near,
                    others=far,
                    largest=float(self.values[:, feature].max()),
                )
            )
        return tuple(found)

    def _rates(self, column: int) -> tuple[Estimate, Estimate | None, Estimate | None]:
        """Shares above the threshold: of texts with the concept, near misses, and others without."""
        fitted = texts_of(self.items, self.split.first)
        labels, near = (np.array([getattr(one, name) for one in self.items]) for name in ("label", "is_near"))
        values = self.values[:, column]
        above = values > threshold(values[fitted], labels[fitted])
        caught, missed, others = (
            self._share(above, ~fitted & kind) for kind in (labels, ~labels & near, ~labels & ~near)
        )
        assert caught is not None
        return caught, missed, others

    def _share(self, above: Bool[ndarray, " text"], kind: Bool[ndarray, " text"]) -> Estimate | None:
        if not kind.any():
            return None
        names = np.array([one.group for one in self.items])[kind]
        groups, at = np.unique(names, return_inverse=True)
        parts, wholes = (np.bincount(at, some, len(groups)) for some in (above[kind], np.ones(len(at))))
        return estimate_ratio(parts, wholes, generator=np.random.default_rng(self.config.seed))
