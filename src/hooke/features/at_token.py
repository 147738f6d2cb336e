"""The features that fire at one token of a text, beside how often they fire at its others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from hooke.features.query import Index
from hooke.features.reading import RawReading
from hooke.models.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class AtToken:
    """A feature that fires at a token."""

    feature: int
    """Its number."""
    label: str
    """Its best label; empty where it has none."""
    density: float
    """Share of the index's tokens on which it is active."""
    max: float
    """Its largest activation in the index."""
    value: float
    """Its activation at the token."""
    elsewhere: float | None
    """Share of the text's other tokens at which it fires, too: one that fires everywhere says little of this one."""


def token_at(model: Model, text: str, at: int) -> int | None:
    """The token of a text that begins at a character, where the text is parted there; None where that cannot be told.

    Raises:
        PromptTooLong: the text is longer than the context.
    """
    if not 0 < at < len(text):
        return None
    whole, before = (model.tokenize(one).ids[0].tolist() for one in (text, text[:at]))
    return len(before) if len(before) < len(whole) and whole[: len(before)] == before else None


def at_token(index: Index, raw: RawReading, place: int, n: int) -> tuple[AtToken, ...]:
    """The features that fire most at a token, strongest first."""
    others: Bool[ndarray, " token"] = raw.counted & (np.arange(len(raw.tokens)) != place)
    chosen = raw.firings()[place][:n]
    labels = index.labels.of_many([one.feature for one in chosen])
    return tuple(
        AtToken(
            feature=one.feature,
            label=labels[one.feature][0].text if one.feature in labels else "",
            density=float(index.densities[one.feature]),
            max=float(index.maxima[one.feature]),
            value=one.value,
            elsewhere=float((raw.activations(one.feature)[others] > 0).mean()) if others.any() else None,
        )
        for one in chosen
    )
