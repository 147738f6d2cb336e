"""Which features promote or suppress a token: the lists of all features turned round, token by token.

A feature is found where the token is among the 16 that it promotes (or suppresses) most; the 8 features that promote a
token most of all are known for every token and are found as well.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from hooke.errors import UnknownName
from hooke.features.aids import aid
from hooke.features.query import Index
from hooke.features.shards import stable_order

Direction = Literal["promoted", "suppressed"]
AID = "tokens-1"


def moving(
    index: Index, token: int, direction: Direction
) -> tuple[Integer[ndarray, " found"], Float[ndarray, " found"]]:
    """The features that move a token this way, strongest first, and their standardised effects.

    Raises:
        UnknownName: nothing is known of what features do to the token.
        BadRequest: the index is large and the lists were not turned round before.
    """
    arrays = aid(index, AID, lambda: moved_arrays(index), "promoted_starts", "suppressed_starts", wait=False)
    starts = arrays[f"{direction}_starts"]
    here = slice(int(starts[token]), int(starts[token + 1]))
    features = arrays[f"{direction}_features"][here].astype(np.int64)
    values = arrays[f"{direction}_values"][here].astype(np.float32)
    if direction == "promoted":
        strongest, effects = _strongest(index, token)
        new = ~np.isin(strongest, features)
        features, values = np.concatenate([features, strongest[new]]), np.concatenate([values, effects[new]])
    order = np.argsort(-np.abs(values), kind="stable")
    return features[order], values[order]


def _strongest(index: Index, token: int) -> tuple[Integer[ndarray, " found"], Float[ndarray, " found"]]:
    try:
        hits = index.promoting(token)
    except UnknownName:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    return np.array([hit.feature for hit in hits]), np.array([hit.value for hit in hits], np.float32)


def moved_arrays(index: Index) -> dict[str, ndarray]:
    """The lists of all features by token, strongest first."""
    found: dict[str, ndarray] = {}
    for direction in ("promoted", "suppressed"):
        cards = index.columns(direction, f"{direction}_value")
        tokens, values = cards[direction], cards[f"{direction}_value"]
        features = np.repeat(np.arange(len(tokens), dtype=np.uint32), tokens.shape[1])
        tokens, values = tokens.reshape(-1), values.reshape(-1)
        # Bit patterns of non-negative half floats are in the order of their values.
        order = stable_order(np.uint16(65535) - np.abs(values).view(np.uint16))
        order = order[stable_order(tokens[order].astype(np.uint32))]
        counts = np.bincount(tokens, minlength=index.manifest.d_vocab)
        found[f"{direction}_starts"] = np.concatenate([[0], np.cumsum(counts)])
        found[f"{direction}_features"], found[f"{direction}_values"] = features[order], values[order]
    return found
