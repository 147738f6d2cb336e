"""Sparse activations and their algebra. Which kernel runs on which device is decided here and nowhere else.

Two forms. `SparseActs` is for people and files: each token's active features, padded. `Pattern` is for training:
which (row, feature) pairs are active, as compressed rows and, sorted once, as compressed columns, so that
decoding and every gradient is a product with that pattern. Values travel beside a pattern, in its row order.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor
from torch.nn import functional

# Above this share of active pairs the dense products win. Measured on a CPU with AVX-512: a dense product runs at
# some 20 times the arithmetic rate of a sparse one.
_DENSE_SHARE = 0.06

# The k largest of a long row are found among the k blocks with the largest maxima, which is exact. Blocks of this
# many measured best from 4,096 to 65,536 features.
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class SparseActs:
    """Activations by their active features only, largest first; padded entries have value 0 and any index."""

    values: Float[Tensor, "*batch active"]
    """Activation of each active feature."""
    indices: Int[Tensor, "*batch active"]
    """Which feature it is."""
    n_features: int
    """How many features the dictionary has."""

    def dense(self) -> Float[Tensor, "*batch feature"]:
        """The same activations with a column per feature."""
        # Adding, not setting: a padded entry may name the index of a real one.
        empty = self.values.new_zeros(*self.values.shape[:-1], self.n_features)
        return empty.scatter_add(-1, self.indices, self.values)

    def l0(self) -> Int[Tensor, "*batch"]:
        """How many features are active."""
        return (self.values != 0).sum(-1)


def sparsify(acts: Float[Tensor, "*batch feature"], *, signed: bool = False) -> SparseActs:
    """Dense activations by their active features; as wide as the largest active count, at least 1.

    They are not negative unless `signed`; then the largest come first whatever their sign.
    """
    sizes = acts.abs() if signed else acts
    width = max(1, int((sizes > 0).sum(-1).max())) if acts.numel() else 1
    values, indices = sizes.topk(width, dim=-1)
    return SparseActs(acts.gather(-1, indices) if signed else values, indices, acts.shape[-1])


def concatenate(parts: Sequence[SparseActs]) -> SparseActs:
    """Pieces of one batch as one, padded to the widest."""
    width = max(part.values.shape[-1] for part in parts)
    values = torch.cat([functional.pad(part.values, (0, width - part.values.shape[-1])) for part in parts])
    indices = torch.cat([functional.pad(part.indices, (0, width - part.indices.shape[-1])) for part in parts])
    return SparseActs(values, indices, parts[0].n_features)


def sum_rows(acts: SparseActs, rows: Float[Tensor, "feature d_out"]) -> Float[Tensor, "*batch d_out"]:
    """acts · rows, through the active rows only. Differentiable in the values and the rows."""
    batch, width = acts.values.shape[:-1], acts.values.shape[-1]
    values, indices = (tensor.reshape(batch.numel(), width) for tensor in (acts.values, acts.indices))
    summed = functional.embedding_bag(indices, rows, per_sample_weights=values, mode="sum")
    return summed.reshape(*batch, rows.shape[-1])


def largest(
    pre: Float[Tensor, "token feature"], k: int
) -> tuple[Float[Tensor, "token active"], Int[Tensor, "token active"]]:
    """The k largest of each row, largest first, and where they are. Exact; ties fall either way."""
    n_features = pre.shape[-1]
    if pre.device.type != "cpu" or n_features % _BLOCK or n_features < 8 * k * _BLOCK:
        values, indices = pre.topk(k, dim=-1)
        return values, indices
    n_blocks = n_features // _BLOCK
    # A block is a column of this view, so that maxima are taken across contiguous memory. A power of two of them is
    # kept, so that places come apart by shifting: integer division would cost as much as the maxima.
    blocks = pre.unflatten(-1, (_BLOCK, n_blocks))
    bits = (k - 1).bit_length()
    chosen = blocks.amax(-2).topk(1 << bits, dim=-1, sorted=False).indices
    candidates = blocks.gather(-1, chosen.unsqueeze(-2).expand(-1, _BLOCK, -1)).flatten(-2)
    values, places = candidates.topk(k, dim=-1)
    return values, (places >> bits) * n_blocks + chosen.gather(-1, places & ((1 << bits) - 1))


def prefers_dense(share: float, device: torch.device) -> bool:
    """Whether products with a pattern that holds this share of all pairs are faster as dense ones."""
    return device.type != "cpu" or share > _DENSE_SHARE


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which (row, feature) pairs are active, compressed by rows and by features."""

    n_features: int
    """How many features there are."""
    row_starts: Int32[Tensor, " rows_and_end"]
    """Where each row's pairs start."""
    features: Int32[Tensor, " pair"]
    """Feature of each pair, in row order."""
    feature_starts: Int32[Tensor, " features_and_end"]
    """Where each feature's pairs start in feature order."""
    rows: Int32[Tensor, " pair"]
    """Row of each pair, in feature order."""
    order: Int[Tensor, " pair"]
    """Pairs in feature order, as places in row order."""


def pattern(features: Int[Tensor, " pair"], counts: Int[Tensor, " row"], n_features: int) -> Pattern:
    """The pattern of rows that have these many pairs each, listed one row after the other."""
    features = features.to(torch.int32)
    sorted_features, order = features.sort(stable=True)
    per_feature = torch.searchsorted(sorted_features, torch.arange(n_features + 1, dtype=torch.int32))
    row_starts = _starts(counts)
    rows = torch.arange(len(counts), dtype=torch.int32).repeat_interleave(counts)
    return Pattern(n_features, row_starts, features, per_feature.to(torch.int32), rows[order], order)


def merge_rows(pairs: Pattern, size: int) -> Pattern:
    """The same pairs with every `size` rows taken as one; no feature may occur in two rows that become one."""
    if size == 1:
        return pairs
    # Contiguous, because products read compressed starts as if they were (torch 2.13 gives wrong sums otherwise).
    row_starts = pairs.row_starts[::size].contiguous()
    rows = pairs.rows // size
    return Pattern(pairs.n_features, row_starts, pairs.features, pairs.feature_starts, rows, pairs.order)


def add_times(
    to: Float[Tensor, "row d"], pairs: Pattern, values: Float[Tensor, " pair"], rows: Float[Tensor, "feature d"]
) -> Float[Tensor, "row d"]:
    """to + A · rows in place, where A holds the values at the pairs."""
    return torch.addmm(to, _matrix(pairs.row_starts, pairs.features, values, len(rows)), rows, out=to)


def transposed_times(
    pairs: Pattern, values: Float[Tensor, " pair"], x: Float[Tensor, "row d"], *, out: Float[Tensor, "feature d"]
) -> Float[Tensor, "feature d"]:
    """Aᵀ · x, where A holds the values at the pairs, written into `out`."""
    matrix = _matrix(pairs.feature_starts, pairs.rows, values[pairs.order], len(x))
    return torch.addmm(out, matrix, x, beta=0.0, out=out)


def sampled(pairs: Pattern, left: Float[Tensor, "row d"], right: Float[Tensor, "feature d"]) -> Float[Tensor, " pair"]:
    """left · rightᵀ at the pairs only."""
    zeros = left.new_zeros(len(pairs.features))
    at = _matrix(pairs.row_starts, pairs.features, zeros, len(right))
    return torch.sparse.sampled_addmm(at, left, right.t(), beta=0.0).values()


def sum_by_feature(pairs: Pattern, values: Float[Tensor, " pair"]) -> Float[Tensor, " feature"]:
    """Sum of each feature's values."""
    return values.new_zeros(pairs.n_features).index_add_(0, pairs.features, values)


def _matrix(starts: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    _hear_the_warning()
    size = (len(starts) - 1, width)
    return torch.sparse_csr_tensor(starts, columns, values, size=size, check_invariants=False)


@cache
def _hear_the_warning() -> None:
    """Make the first compressed tensor of the process, about which torch warns once, as beta software."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(torch.zeros(1), torch.zeros(0), torch.zeros(0), size=(0, 0), check_invariants=False)


def _starts(counts: Tensor) -> Tensor:
    return functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
