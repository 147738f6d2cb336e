"""A parent whose namesake in the larger dictionary stays silent, because a more special feature took its part.

A parent is a feature of the smaller dictionary, its namesake the mutual match in the larger one. On the parent's strong
firings (above its median) the namesake should fire. Where it does not (after Chanin et al. 2409.14507, with the
parent's direction in the place of a probe's):

    absorbed  : of the larger dictionary's features that fire there, the one that writes most along the parent's decoder
                row writes at least .4 of all that is written along it, in either sense, with a cosine of at least .025
    absorber  : that feature
    rate      : absorbed tokens / strong firings

The control asks the same of another parent's row on the same tokens. Chanin et al. divide by the sum with signs; along
a row that nothing there is about, contributions cancel, and that share is large for no reason.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import sparse
from torch.nn import functional

from hooke.dictionaries.dictionary import Dictionary
from hooke.features.co_firing import CoFiring
from hooke.features.matches import Matches

N_ABSORBERS = 4
LEAST_STRONG = 20
"""Strong firings that a parent needs."""

_LEAST_SHARE, _LEAST_COSINE = 0.4, 0.025


@dataclass(frozen=True)
class Absorption:
    """For each parent what becomes of its strong firings; all 0 of parents without a namesake or with too few."""

    n_strong: Integer[ndarray, " parent"]
    n_silent: Integer[ndarray, " parent"]
    """Where the namesake is silent."""
    n_absorbed: Integer[ndarray, " parent"]
    """Where another feature takes its part."""
    n_control: Integer[ndarray, " parent"]
    """The same with another parent's row."""
    absorber: Integer[ndarray, "parent absorber"]
    count: Integer[ndarray, "parent absorber"]
    """Tokens that each takes; 0 fills up."""


def absorbers(
    found: CoFiring, side: int, parents: Dictionary, larger: Dictionary, match: Matches, *, seed: int = 0
) -> Absorption:
    """What takes the part of the matches of one dictionary's features, where these are silent."""
    n, rng = found.n_features[side], np.random.default_rng([seed, 4])
    strong = np.zeros((4, n), np.int64)
    absorber, count = np.zeros((2, n, N_ABSORBERS), np.uint32)
    rows = functional.normalize(parents.output_rows.detach().float().cpu(), dim=-1)
    written = larger.output_rows.detach().float().cpu()
    lengths = written.norm(dim=-1).clamp(min=1e-12)
    asked = np.flatnonzero(match.is_match)
    for parent in asked.tolist():
        other = int(rng.choice(asked))
        directions = torch.stack([rows[parent], rows[other if other != parent else int(asked[0])]])
        along = (written @ directions.T).double().numpy().T
        cosine = along / lengths.double().numpy()
        tokens = _strong_tokens(found, side, parent)
        if sum(len(some) for some in tokens) < LEAST_STRONG:
            continue
        silent, takers = _taken(found, side, tokens, int(match.feature[parent]), along, cosine)
        own, times = np.unique(takers[0][takers[0] >= 0], return_counts=True)
        most = np.argsort(-times, kind="stable")[:N_ABSORBERS]
        absorber[parent, : len(most)], count[parent, : len(most)] = own[most], times[most]
        strong[:, parent] = (sum(map(len, tokens)), silent, times.sum(), (takers[1] >= 0).sum())
    return Absorption(strong[0], strong[1], strong[2], strong[3], absorber, count)


def _strong_tokens(found: CoFiring, side: int, parent: int) -> list[Integer[ndarray, " token"]]:
    """By shard, the tokens on which the parent fires above its median."""
    fired = [shard.columns[side][:, [parent]] for shard in found.shards()]
    values = np.concatenate([one.data for one in fired])
    median = np.median(values) if len(values) else 0
    return [one.indices[one.data >= median].astype(np.int64) for one in fired]


def _taken(
    found: CoFiring,
    side: int,
    tokens: list[Integer[ndarray, " token"]],
    namesake: int,
    along: Float[ndarray, "direction feature"],
    cosine: Float[ndarray, "direction feature"],
) -> tuple[int, Integer[ndarray, "direction silent"]]:
    """On how many tokens the namesake is silent, and what takes its part there by either row, -1 where nothing does."""
    takers = []
    for shard, some in zip(found.shards(), tokens, strict=True):
        acts = shard.rows[1 - side][np.sort(some)]
        owner = np.repeat(np.arange(len(some)), np.diff(acts.indptr))
        spoken = np.zeros(len(some), bool)
        spoken[owner[acts.indices == namesake]] = True
        acts = acts[~spoken]
        takers.append(np.stack([_taker(acts, direction, near) for direction, near in zip(along, cosine, strict=True)]))
    joined = np.concatenate(takers, axis=1)
    return joined.shape[1], joined


def _taker(
    acts: sparse.csr_array, along: Float[ndarray, " feature"], cosine: Float[ndarray, " feature"]
) -> Integer[ndarray, " token"]:
    """The feature that carries most along a direction on each token, where it carries enough; else -1."""
    n = len(acts.indptr) - 1
    part = acts.data * along[acts.indices]
    owner = np.repeat(np.arange(n), np.diff(acts.indptr))
    total = np.bincount(owner, np.abs(part), minlength=n)
    # Entries by token, the largest part first: the first of each token is its strongest.
    order = np.lexsort((-part, owner))
    first = np.unique(owner[order], return_index=True)
    strongest = np.full(n, -1)
    best = order[first[1]]
    enough = (part[best] > 0) & (part[best] >= _LEAST_SHARE * total[first[0]])
    enough &= cosine[acts.indices[best]] >= _LEAST_COSINE
    strongest[first[0][enough]] = acts.indices[best[enough]]
    return strongest
