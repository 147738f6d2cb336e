"""Sparse activations and their algebra. Which kernel runs is decided here and nowhere else."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


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


def sparsify(acts: Float[Tensor, "*batch feature"]) -> SparseActs:
    """Dense non-negative activations by their active features; as wide as the largest active count."""
    width = int((acts > 0).sum(-1).max()) if acts.numel() else 0
    values, indices = acts.topk(width, dim=-1)
    return SparseActs(values, indices, acts.shape[-1])


def decode(acts: SparseActs, rows: Float[Tensor, "feature d_out"]) -> Float[Tensor, "*batch d_out"]:
    """acts · rows, through the active rows only. Differentiable in the values and the rows."""
    batch, width = acts.values.shape[:-1], acts.values.shape[-1]
    flat = functional.embedding_bag(
        acts.indices.reshape(-1, width), rows, per_sample_weights=acts.values.reshape(-1, width), mode="sum"
    )
    return flat.reshape(*batch, rows.shape[-1])


def concatenate(parts: list[SparseActs]) -> SparseActs:
    """Pieces of one batch as one, padded to the widest."""
    width = max(part.values.shape[-1] for part in parts)
    values = torch.cat([functional.pad(part.values, (0, width - part.values.shape[-1])) for part in parts])
    indices = torch.cat([functional.pad(part.indices, (0, width - part.indices.shape[-1])) for part in parts])
    return SparseActs(values, indices, parts[0].n_features)
