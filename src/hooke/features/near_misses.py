"""Tokens on which a feature comes closest to firing without firing: where its border is.

They are looked for where they are likely: in windows in which features fire that write alike (neighbours) or fire along
with it (partners), and in those of its own weakest examples. These windows are run through the model, and the tokens on
which the feature is silent are ordered by pre-activation, measured by what it would have needed. It is a search, not a
census: a closer miss may stand elsewhere in the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.dictionaries.dictionary import Dictionary, check_fits
from hooke.features.card import Card, shown
from hooke.features.phrases import require_text
from hooke.features.query import Index
from hooke.models.model import Model

N_WINDOWS = 12
METHOD = (
    "windows in which neighbours, partners or the feature's weakest examples fire were run through the model; tokens "
    "on which the feature is silent, ordered by pre-activation less what it would have needed"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A token on which a feature stays silent though it comes close."""

    window: int
    """Number of its window."""
    position: int
    """Position in the window."""
    peak: int
    """Place of the token in `tokens`."""
    value: float
    """Pre-activation there."""
    needed: float
    """Pre-activation that it would have had to exceed."""
    activations: tuple[float, ...]
    """The feature's activation on each token around it."""
    tokens: tuple[str, ...]
    """Text of each token."""
    token_ids: tuple[int, ...]
    """The tokens."""
    source: str | None
    """The part of the corpus."""


def near_misses(
    index: Index, model: Model, feature: int, n: int = 8, *, dictionary: Dictionary | None = None
) -> tuple[list[Miss], int]:
    """The closest misses that were found, closest first and one a window, and how many windows were run.

    Raises:
        UnknownName: there is no such feature, or the text of the index is not here.
        ShapeMismatch: the dictionary does not fit the model.
    """
    dictionary = dictionary or index.dictionary
    check_fits(dictionary, model)
    text, card = require_text(index), index.card(feature)
    windows = likely_windows(index, card)
    misses = []
    for window in windows:
        tokens = text.window("tokens", window, 0, text.context).astype(np.int64)
        counted = text.window("counted", window, 0, text.context)
        run = model.run(torch.from_numpy(tokens), capture=dictionary.reads, logits=False)
        x = run.rows(*dictionary.reads)[0].to(dictionary.device)
        acts = dictionary.encode(x)
        active = torch.where(acts.indices == feature, acts.values, 0).sum(-1).float().cpu().numpy()
        before = dictionary.pre_activations(x)[:, feature].float().cpu().numpy()
        needed = dictionary.bar(x, feature).float().cpu().numpy()
        position = _closest(before - needed, counted & (active == 0))
        if position is not None:
            misses.append(_miss(index, window, position, before, needed, active, tokens))
    return sorted(misses, key=lambda miss: miss.needed - miss.value)[:n], len(windows)


def likely_windows(index: Index, card: Card) -> list[int]:
    """Windows to look at: neighbours and partners in turns, then the feature's own weakest examples."""
    others = [one.feature for pair in zip(card.neighbours, card.partners, strict=False) for one in pair]
    others += [one.feature for one in card.neighbours[len(card.partners) :]]
    own = [example.window for group in card.groups[::-1] for example in group.examples]
    found: dict[int, None] = {}
    for other in dict.fromkeys(others):
        for window in index.example_windows(other)[:2]:
            found.setdefault(window)
    return list(dict.fromkeys([*list(found)[: N_WINDOWS * 3 // 4], *own, *found]))[:N_WINDOWS]


def _closest(distance: Float[ndarray, " pos"], is_silent: ndarray) -> int | None:
    return int(np.argmax(np.where(is_silent, distance, -np.inf))) if is_silent.any() else None


def _miss(
    index: Index,
    window: int,
    position: int,
    before: Float[ndarray, " pos"],
    needed: Float[ndarray, " pos"],
    active: Float[ndarray, " pos"],
    tokens: ndarray,
) -> Miss:
    text = require_text(index)
    begin, end = shown(position, len(tokens))
    here: Sequence[int] = tokens[begin:end].tolist()
    number = int(text.window("source", window, position, position + 1)[0])
    return Miss(
        window=window,
        position=position,
        peak=position - begin,
        value=float(before[position]),
        needed=float(needed[position]),
        activations=tuple(np.round(active[begin:end].astype(np.float64), 5).tolist()),
        tokens=index.vocabulary.texts(here),
        token_ids=tuple(here),
        source=index.manifest.sources[number] if number < len(index.manifest.sources) else None,
    )
