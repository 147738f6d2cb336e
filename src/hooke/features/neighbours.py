"""Features that are like a feature: by what they write (decoder cosine), and by when they fire (co-activation)."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.features.examples import evenly
from hooke.features.shards import Postings, ShardReader

N_NEIGHBOURS = 16
N_PARTNERS = 16
N_SAMPLED = 512
"""Firings of a feature that its partners are counted on; all of them where it has fewer."""

_LEAST_TOGETHER = 3
_CELLS = 2**22


def nearest(
    W_dec: Float[Tensor, "feature d_out"], first: int, last: int
) -> tuple[Int[ndarray, "range neighbour"], Float[ndarray, "range neighbour"]]:
    """The features whose decoder rows have the largest cosine with those of a range, and the cosines."""
    rows = functional.normalize(W_dec.float(), dim=-1)
    n = min(N_NEIGHBOURS, len(rows) - 1)
    found, cosines = [], []
    step = max(1, _CELLS // len(rows))
    for begin in range(first, last, step):
        end = min(begin + step, last)
        cosine = rows[begin:end] @ rows.T
        cosine[torch.arange(end - begin), torch.arange(begin, end)] = -2
        values, indices = cosine.topk(n, dim=-1)
        found.append(indices.cpu().numpy())
        cosines.append(values.cpu().numpy())
    return np.concatenate(found), np.concatenate(cosines)


def partners(
    postings: Postings, shards: ShardReader, n_counted: int
) -> tuple[Int[ndarray, "range partner"], Int[ndarray, "range partner"]]:
    """The features that fire on the same tokens, by normalised PMI (Bouma 2009), and on how many they do.

    Counted on up to 512 firings of each feature, evenly spaced over the corpus, and scaled up to all of them; 0 tokens
    where a feature has fewer partners.
    """
    entries, valid = evenly(postings.offsets[:-1], np.diff(postings.offsets), N_SAMPLED)
    step = max(1, min(_CELLS // shards.n_features, 256))
    found = [
        _best(*_together(postings, shards, entries, valid, slice(at, at + step)), shards.n_active, n_counted)
        for at in range(0, len(postings), step)
    ]
    features, counts = zip(*found, strict=True)
    return np.concatenate(features), np.concatenate(counts)


def association(
    both: Float[ndarray, "*n"], one: Float[ndarray, "*#n"], other: Float[ndarray, "*#n"], n_counted: int
) -> tuple[Float[ndarray, "*n"], Float[ndarray, "*n"]]:
    """Pointwise mutual information in bits and Jaccard index of two features, from how often they fire.

    pmi = log2( p(ab) / p(a)p(b) ),   jaccard = n_ab / (n_a + n_b - n_ab)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log2(both * n_counted / (one * other)), both / (one + other - both)


def _together(
    postings: Postings, shards: ShardReader, entries: ndarray, valid: ndarray, places: slice
) -> tuple[Int[ndarray, "some feature"], Int[ndarray, " some"], Int[ndarray, " some"]]:
    """How often each feature fires on sampled tokens of some features; how many were sampled; which these are."""
    inside = valid[places]
    positions = postings.positions[entries[places][inside]]
    counts, features = shards.rows(positions)
    owner = np.repeat(np.repeat(np.arange(len(inside)), inside.sum(1)), counts)
    cells = np.bincount(owner * shards.n_features + features, minlength=len(inside) * shards.n_features)
    own = np.arange(len(inside)) + postings.first + places.start
    return cells.reshape(len(inside), shards.n_features), inside.sum(1), own


def _best(
    sampled: Int[ndarray, "some feature"],
    n_sampled: Int[ndarray, " some"],
    own: Int[ndarray, " some"],
    n_active: Int[ndarray, " feature"],
    n_counted: int,
) -> tuple[Int[ndarray, "some partner"], Int[ndarray, "some partner"]]:
    sampled[np.arange(len(own)), own] = 0
    together = sampled * (n_active[own] / np.maximum(n_sampled, 1))[:, None]
    pmi, _ = association(together, n_active[own, None].astype(np.float64), n_active[None].astype(np.float64), n_counted)
    with np.errstate(divide="ignore", invalid="ignore"):
        # On every token together both logarithms are 0: as associated as can be.
        normalised = np.nan_to_num(pmi / -np.log2(together / n_counted), nan=1.0)
    normalised[sampled < _LEAST_TOGETHER] = -np.inf
    order = np.argsort(-normalised, axis=1, kind="stable")[:, : min(N_PARTNERS, len(n_active) - 1)]
    rows = np.arange(len(own))[:, None]
    there = np.isfinite(normalised[rows, order])
    counts = np.where(there, np.rint(together[rows, order]), 0).astype(np.int64)
    return np.where(there, order, 0), counts
