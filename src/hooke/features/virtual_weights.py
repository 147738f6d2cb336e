"""What an earlier dictionary's feature writes to a later one's through the residual stream, and which of it counts.

    V(i, j)     = W_dec[i] · W_enc[:, j]                        the virtual weight, the same on every text
    ERA(i, j)   = E[ a_i · 1(j fires) ] · V(i, j)               what it brings to j, over all tokens
    TWERA(i, j) = E[ a_i · a_j ] / E[ a_j ] · V(i, j)           the same over tokens as j weighs them

Thousands of features share hundreds of dimensions, so nearly every pair has a weight: most are interference between
features that never meet. ERA and TWERA (expected residual attribution, plain and target-weighted: Ameisen et al. 2025)
leave the pairs that fire together. Only the direct path at one position is in V: attention and MLPs in between are not,
nor the denominator of a norm. A weight below zero that keeps its target silent counts for nothing here.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.neurons import Neurons
from hooke.errors import UnsupportedModel
from hooke.features.co_firing import CoFiring
from hooke.features.fire_together import LEAST_TOGETHER
from hooke.models.model import Model
from hooke.models.norms import norms_of

N_PATHS = 16

_STREAM = ("resid_pre", "resid_mid", "resid_post")
_ADDED = ("attn_out", "mlp_out")


@dataclass(frozen=True)
class Ways:
    """What the features of one dictionary write and those of a later one read, both in the stream."""

    source: int
    """Which of the two dictionaries comes first in the model."""
    written: Float[Tensor, "source d_model"]
    read: Float[Tensor, "target d_model"]

    @property
    def target(self) -> int:
        """The other one."""
        return 1 - self.source

    def weights(self, side: int, first: int, last: int) -> Float[ndarray, "range other"]:
        """V for a range of one side's features, beside all of the other's."""
        own, other = (self.written, self.read) if side == self.source else (self.read, self.written)
        return (own[first:last] @ other.T).double().numpy()


@dataclass(frozen=True)
class Paths:
    """For each feature of one side the other side's features that its paths lead to or come from, by |TWERA|."""

    feature: Integer[ndarray, "feature path"]
    weight: Float[ndarray, "feature path"]
    """V; 0 fills up."""
    era: Float[ndarray, "feature path"]
    twera: Float[ndarray, "feature path"]
    count: Integer[ndarray, "feature path"]
    """Tokens on which both fire."""
    rank: Integer[ndarray, "feature path"]
    """Place among all pairs of the feature by |V| alone, from 1."""


def ways_between(one: Dictionary, other: Dictionary, model: Model) -> tuple[Ways | None, str]:
    """The way from the earlier of two dictionaries to the later one; None with the reason where there is none."""
    for dictionary in (one, other):
        if len(dictionary.reads) != 1 or len(dictionary.writes) != 1:
            return None, f"'{dictionary.name}' has several sites, so there are no virtual weights."
    for source, (early, late) in enumerate(((one, other), (other, one))):
        if early.writes[0].depth < late.reads[0].depth:
            try:
                written, read = _written(early), _read(late, model)
            except UnsupportedModel as error:
                return None, str(error)
            if written is None or read is None:
                what = f"'{early.name}' does not write to" if written is None else f"'{late.name}' does not read"
                return None, f"{what} the residual stream, so there are no virtual weights."
            return Ways(source, written, read), ""
    return None, "Neither writes before the other reads, so there are no virtual weights."


def _written(dictionary: Dictionary) -> Float[Tensor, "feature d_model"] | None:
    if isinstance(dictionary, Neurons) or dictionary.writes[0].kind in (*_STREAM, *_ADDED):
        return dictionary.output_rows.detach().float().cpu()
    return None


def _read(dictionary: Dictionary, model: Model) -> Float[Tensor, "feature d_model"] | None:
    if isinstance(dictionary, Neurons):
        return None
    site, columns = dictionary.reads[0], dictionary.W_enc.detach().float().cpu().T
    if site.kind in _STREAM:
        return columns.contiguous()
    if site.kind == "mlp_in" and site.layer is not None:
        return columns * norms_of(model)(site.layer).gain.float().cpu()
    return None


def strongest_paths(found: CoFiring, ways: Ways, side: int) -> Paths:
    """The paths of every feature of one side by what the filter leaves of them."""
    parts = [_of_range(found, ways, side, first, last) for first, last in found.ranges(side, 1 - side)]
    names = ("feature", "weight", "era", "twera", "count", "rank")
    return Paths(*(np.concatenate([part[name] for part in parts]) for name in names))


def filtered(
    found: CoFiring, ways: Ways, side: int, first: int, last: int
) -> tuple[ndarray, Float[ndarray, "range other"], Float[ndarray, "range other"], Float[ndarray, "range other"]]:
    """Tokens together, V, ERA and TWERA for a range of one side's features, beside all of the other's."""
    other, n = 1 - side, max(found.n_counted, 1)
    is_source = side == ways.source
    weights = ways.weights(side, first, last)
    together = found.sums(side, other, first, last)
    met = found.sums(side, other, first, last, weighed=(True, False) if is_source else (False, True))
    both = found.sums(side, other, first, last, weighed=(True, True))
    of_target = found.totals[ways.target].sum
    scale = of_target[None] if is_source else of_target[first:last, None]
    return together, weights, met / n * weights, both / np.maximum(scale, 1e-12) * weights


def _of_range(found: CoFiring, ways: Ways, side: int, first: int, last: int) -> dict[str, ndarray]:
    together, weights, era, twera = filtered(found, ways, side, first, last)
    sizes = np.where(together >= LEAST_TOGETHER, np.abs(twera), -1)
    chosen = np.argsort(-sizes, axis=1, kind="stable")[:, :N_PATHS]
    rows = np.arange(last - first)[:, None]
    there = sizes[rows, chosen] > 0
    places = np.empty(weights.shape, np.int64)
    order = np.argsort(-np.abs(weights), axis=1, kind="stable")
    places[rows, order] = np.arange(1, weights.shape[1] + 1)

    def kept(values: ndarray) -> ndarray:
        return np.where(there, values[rows, chosen], 0)

    return {
        "feature": np.where(there, chosen, 0).astype(np.uint32),
        "weight": kept(weights).astype(np.float32),
        "era": kept(era).astype(np.float32),
        "twera": kept(twera).astype(np.float32),
        "count": kept(together).astype(np.uint32),
        "rank": kept(places).astype(np.uint32),
    }


@dataclass(frozen=True)
class Interference:
    """Virtual weights beside those of rows that were permuted, by source feature."""

    largest: Float[ndarray, " source"]
    """Largest |V| of each."""
    permuted: Float[ndarray, " source"]
    """The same, the coordinates of the feature's row in another order."""
    unmet: Float[ndarray, " source"]
    """Of the sixteen targets with the largest |V|, the share that fires together with it on fewer than 5 tokens."""
    unmet_random: Float[ndarray, " source"]
    """The same of sixteen targets at random among those that fire."""


def interference(found: CoFiring, ways: Ways, *, seed: int = 0) -> Interference:
    """How much of the largest virtual weights is between features that never meet, for sources that fire."""
    rng = np.random.default_rng([seed, 1])
    side, other = ways.source, ways.target
    alive = np.flatnonzero(found.totals[other].n_active >= LEAST_TOGETHER)
    parts: list[tuple[ndarray, ndarray, ndarray, ndarray]] = []
    for first, last in found.ranges(side, other):
        weights = np.abs(ways.weights(side, first, last))
        order = torch.from_numpy(np.stack([rng.permutation(ways.written.shape[1]) for _ in range(last - first)]))
        drawn = np.abs((ways.written[first:last].gather(1, order) @ ways.read.T).double().numpy())
        met = found.sums(side, other, first, last) >= LEAST_TOGETHER
        rows = np.arange(last - first)[:, None]
        top = alive[np.argsort(-weights[:, alive], axis=1, kind="stable")[:, :N_PATHS]]
        random = alive[rng.integers(0, len(alive), size=(last - first, min(N_PATHS, len(alive))))]
        kept = found.totals[side].n_active[first:last] >= LEAST_TOGETHER
        columns = (weights.max(1), drawn.max(1), 1 - met[rows, top].mean(1), 1 - met[rows, random].mean(1))
        parts.append(tuple(one[kept] for one in columns))  # pyright: ignore[reportArgumentType]
    return Interference(*(np.concatenate(one) for one in zip(*parts, strict=True)))
