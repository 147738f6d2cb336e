"""A text read as features: what fires on each token, and which features the text as a whole brings out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.features.labels import Label
from hooke.features.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True, slots=True)
class Firing:
    """A feature active on a token."""

    feature: int
    """Its number."""
    value: float
    """Its activation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TextFeature:
    """A feature active somewhere in a text."""

    feature: int
    """Its number."""
    name: str
    """Its address."""
    label: Label | None
    """Its best label."""
    density: float
    """Share of the index's tokens on which it is active."""
    max: float
    """Its largest activation in the index."""
    value: float
    """Its largest activation in this text."""
    peak: int
    """The token where that is."""
    activations: tuple[float, ...]
    """Its activation on each token of the text."""
    score: float
    """Rank of the text's features: value / max, times how rare the feature is in octaves, -log2(density)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A text as features."""

    text: str
    """What was read."""
    tokens: tuple[str, ...]
    """Text of each token."""
    token_ids: tuple[int, ...]
    """The tokens."""
    counted: tuple[bool, ...]
    """False on special tokens and on the first token, whose activations mean nothing and rank no feature."""
    firings: tuple[tuple[Firing, ...], ...]
    """For each token its active features, strongest first."""
    features: tuple[TextFeature, ...]
    """The text's features, best first."""


@dataclass(frozen=True)
class RawReading:
    """Tokens of a text and what is active on them."""

    tokens: Int[ndarray, " token"]
    counted: Bool[ndarray, " token"]
    values: Float[ndarray, "token active"]
    indices: Int[ndarray, "token active"]

    def firings(self) -> tuple[tuple[Firing, ...], ...]:
        """For each token its active features, strongest first."""
        rows = zip(self.indices.tolist(), self.values.tolist(), strict=True)
        return tuple(
            tuple(
                Firing(feature=feature, value=round(value, 5)) for feature, value in zip(*row, strict=True) if value > 0
            )
            for row in rows
        )

    def activations(self, feature: int) -> Float[ndarray, " token"]:
        """One feature's activation on each token."""
        return np.where(self.indices == feature, self.values, 0).sum(axis=1)

    def peaks(self, n_features: int) -> Float[ndarray, " feature"]:
        """Each feature's largest activation on tokens that count."""
        found = np.zeros(n_features, np.float32)
        np.maximum.at(found, self.indices[self.counted].reshape(-1), self.values[self.counted].reshape(-1))
        return found


@dataclass(frozen=True)
class Totals:
    """The features that fire on tokens that count, and how much over the whole text."""

    features: Int[ndarray, " feature"]
    """Their numbers, ascending."""
    max: Float[ndarray, " feature"]
    """Largest activation of each."""
    sum: Float[ndarray, " feature"]
    """Sum of its activations."""
    frequency: Int[ndarray, " feature"]
    """Tokens on which it fires."""


def totals(raw: RawReading) -> Totals:
    """The features of a text with their totals."""
    values = raw.values[raw.counted]
    fires = values > 0
    features, place = np.unique(raw.indices[raw.counted][fires], return_inverse=True)
    largest = np.zeros(len(features), np.float32)
    np.maximum.at(largest, place, values[fires])
    summed = np.bincount(place, weights=values[fires], minlength=len(features)).astype(np.float32)
    return Totals(features, largest, summed, np.bincount(place, minlength=len(features)))


def run_text(model: Any, dictionary: Dictionary, text: str, vocabulary: Vocabulary) -> RawReading:
    """The dictionary's features on a text.

    Raises:
        ShapeMismatch: the dictionary does not fit the model.
        PromptTooLong, BadRequest: the model cannot read the text.
    """
    check_fits(dictionary, model)
    run = model.run(text, capture=dictionary.reads, logits=False)
    acts = dictionary.encode(run.rows(*dictionary.reads)[0].to(dictionary.device))
    tokens = run.tokens.ids[0].cpu().numpy()
    counted = ~np.isin(tokens, sorted(vocabulary.special))
    counted[0] = False
    return RawReading(tokens, counted, acts.values.float().cpu().numpy(), acts.indices.cpu().numpy())


def rank(
    peaks: Float[ndarray, " feature"], maxima: Float[ndarray, " feature"], densities: Float[ndarray, " feature"]
) -> Float[ndarray, " feature"]:
    """How much a text brings out each feature: its peak as a share of its largest activation, times -log2(density).

    A feature that never fired in the index is as rare as one that fired once in 2^24 tokens; peaks count up to twice
    the largest activation.
    """
    share = np.minimum(peaks / np.maximum(maxima, 1e-9), 2)
    return share * -np.log2(np.maximum(densities, 2.0**-24))


def text_features(
    raw: RawReading,
    scores: Float[ndarray, " feature"],
    chosen: Sequence[int],
    labels: dict[int, tuple[Label, ...]],
    names: Sequence[str],
    maxima: ndarray,
    densities: ndarray,
) -> tuple[TextFeature, ...]:
    """The chosen features with their activations over the text."""
    found = []
    for feature, name in zip(chosen, names, strict=True):
        activations = raw.activations(feature)
        counted = np.where(raw.counted, activations, 0)
        peak = int(np.argmax(counted))
        found.append(
            TextFeature(
                feature=feature,
                name=name,
                label=next(iter(labels.get(feature, ())), None),
                density=float(densities[feature]),
                max=float(maxima[feature]),
                value=float(counted[peak]),
                peak=peak,
                activations=tuple(np.round(activations.astype(np.float64), 5).tolist()),
                score=float(scores[feature]),
            )
        )
    return tuple(found)
