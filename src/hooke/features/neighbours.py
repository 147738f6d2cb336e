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


def partners(postings: Postings, shards: ShardReader, n_counted: int) -> dict[str, ndarray]:
    """The features that fire on the same tokens, by normalised pointwise mutual information (Bouma 2009).

        pmi = log2( p(ab) / p(a)p(b) ),   jaccard = n_ab / (n_a + n_b - n_ab)

    Counted on up to 512 firings of each feature, evenly spaced over the corpus, and scaled up to all of them.
    """
    entries, valid = evenly(postings.offsets[:-1], np.diff(postings.offsets), N_SAMPLED)
    step = max(1, min(_CELLS // shards.n_features, 256))
    n = min(N_PARTNERS, shards.n_features - 1)
    tables = [_together(postings, shards, entries, valid, slice(at, at + step)) for at in range(0, len(postings), step)]
    return _best(tables, shards.n_active, n_counted, n)


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


def _best(tables: list, n_active: Int[ndarray, " feature"], n_counted: int, n: int) -> dict[str, ndarray]:
    parts: dict[str, list[ndarray]] = {"partner": [], "partner_count": [], "partner_pmi": [], "partner_jaccard": []}
    for sampled, n_sampled, own in tables:
        sampled[np.arange(len(own)), own] = 0
        together = sampled * (n_active[own] / np.maximum(n_sampled, 1))[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            joint = together / n_counted
            pmi = np.log2(joint * n_counted**2 / (n_active[own, None] * n_active.astype(np.float64)))
            normalised = np.where(sampled >= _LEAST_TOGETHER, pmi / -np.log2(joint), -np.inf)
        normalised = np.nan_to_num(normalised, nan=1.0, neginf=-np.inf)
        order = np.argsort(-normalised, axis=1, kind="stable")[:, :n]
        rows = np.arange(len(own))[:, None]
        there = np.isfinite(normalised[rows, order])
        count = np.where(there, np.rint(together[rows, order]), 0)
        union = n_active[own, None] + n_active[order] - together[rows, order]
        parts["partner"].append(np.where(there, order, 0))
        parts["partner_count"].append(count.astype(np.uint32))
        parts["partner_pmi"].append(np.where(there, pmi[rows, order], 0).astype(np.float16))
        parts["partner_jaccard"].append(
            np.where(there, together[rows, order] / np.maximum(union, 1), 0).astype(np.float16)
        )
    return {name: np.concatenate(part) for name, part in parts.items()}
