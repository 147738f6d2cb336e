"""Counts per feature that add up over shards: how often, how strongly, and in which part of the corpus it is active."""

import numpy as np
from jaxtyping import UInt32
from numpy import ndarray

from hooke.features.shards import Postings
from hooke.features.store import N_BINS, bins, coarse_codes


def histograms(postings: Postings, top: int) -> UInt32[ndarray, "range bin"]:
    """How many activations of each feature lie in each half-octave below the index's largest."""
    return _count(postings, bins(coarse_codes(postings.codes, top)), N_BINS)


def by_source(postings: Postings, n_sources: int) -> UInt32[ndarray, "range source"]:
    """On how many tokens of each source each feature is active."""
    return _count(postings, postings.source, n_sources)


def _count(postings: Postings, column: ndarray, n_columns: int) -> UInt32[ndarray, "range column"]:
    cells = np.bincount(postings.places * n_columns + column, minlength=len(postings) * n_columns)
    return cells.reshape(len(postings), n_columns).astype(np.uint32)


def strongest(postings: Postings, order: ndarray, cap: int | None) -> Postings:
    """The same postings with only each feature's `cap` strongest entries."""
    if cap is None:
        return postings
    counts = np.diff(postings.offsets)
    rank = np.arange(len(order)) - np.repeat(postings.offsets[:-1], counts)
    kept = np.sort(order[rank < cap])
    offsets = np.concatenate([[0], np.cumsum(np.minimum(counts, cap))])
    return Postings(postings.first, offsets, postings.positions[kept], postings.codes[kept], postings.source[kept])
