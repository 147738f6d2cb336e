"""Groups of vectors: k-means by plain matrix products (Lloyd 1982)."""

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

_ROUNDS = 8
_CELLS = 2**24


def centres_of(rows: Float[ndarray, "n width"], n_centres: int, *, rounds: int = _ROUNDS) -> Float[ndarray, "k width"]:
    """Centres of groups of similar rows; a group that ran empty begins again at a row of its own."""
    generator = np.random.default_rng(0)
    n_centres = min(n_centres, len(rows))
    centres = rows[generator.choice(len(rows), n_centres, replace=False)].astype(np.float32)
    for _ in range(rounds):
        group = nearest_centre(rows, centres)
        counts = np.bincount(group, minlength=n_centres)
        order = np.argsort(group, kind="stable")
        filled = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts)])[filled]
        centres[filled] = np.add.reduceat(rows[order], starts, axis=0) / counts[filled, None]
        empty = np.flatnonzero(counts == 0)
        centres[empty] = rows[generator.choice(len(rows), len(empty), replace=False)]
    return centres


def nearest_centre(rows: Float[ndarray, "n width"], centres: Float[ndarray, "k width"]) -> Integer[ndarray, " n"]:
    """The nearest centre of each row by Euclidean distance."""
    half = (centres**2).sum(1) / 2
    step = max(1, _CELLS // len(centres))
    parts = [np.argmax(rows[at : at + step] @ centres.T - half, axis=1) for at in range(0, len(rows), step)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
