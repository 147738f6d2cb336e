"""Incoming edges of target nodes: every source's share of each target, in one sweep a batch."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.basis import Basis, pass_skip
from hooke.circuits.frozen import FrozenModel
from hooke.circuits.sweep import Rows, batches, sweep

BATCH = 256


@dataclass(frozen=True, slots=True)
class Edges:
    """What each source gives each target. The sum over all of them is the target's value."""

    features: Float[Tensor, "row feature"]
    remainder: Float[Tensor, "row layer pos"]
    """From errors, or from neurons that were not taken up."""
    tokens: Float[Tensor, "row pos"]
    constant: Float[Tensor, " row"]

    @property
    def total(self) -> Float[Tensor, " row"]:
        """The sum of everything that comes in."""
        return self.features.sum(-1) + self.remainder.sum((-2, -1)) + self.tokens.sum(-1) + self.constant

    def take(self, rows: Int[Tensor, " n"] | slice) -> "Edges":
        """Some of the rows."""
        return Edges(self.features[rows], self.remainder[rows], self.tokens[rows], self.constant[rows])


def no_edges(frozen: FrozenModel, basis: Basis, n_rows: int) -> Edges:
    """Edges of so many rows, all 0. Memory is taken as rows are filled."""
    new = frozen.embed.new_zeros
    shape = basis.remainder.shape[:2]
    return Edges(new(n_rows, len(basis.features)), new(n_rows, *shape), new(n_rows, frozen.n_positions), new(n_rows))


def edges_into(frozen: FrozenModel, basis: Basis, rows: Rows, *, batch: int = BATCH) -> Edges:
    """The incoming edges of targets, in the order given."""
    edges = no_edges(frozen, basis, len(rows))
    fill_edges(edges, frozen, basis, rows, batch=batch)
    return edges


def fill_edges(edges: Edges, frozen: FrozenModel, basis: Basis, rows: Rows, *, batch: int = BATCH) -> None:
    """Put the incoming edges of targets where they are 0 yet, in the order given."""
    for chosen in batches(rows, batch):
        _fill(edges, frozen, basis, rows.take(chosen), chosen)


def _fill(edges: Edges, frozen: FrozenModel, basis: Basis, rows: Rows, chosen: Tensor) -> None:
    new = frozen.embed.new_zeros
    features = new(len(basis.features), len(rows))
    remainder = new(frozen.n_layers, frozen.n_positions, len(rows))
    constant = new(len(rows))
    swept = sweep(frozen, rows, partial(_read, basis, features, remainder, constant))
    edges.features[chosen] = features.T
    edges.remainder[chosen] = remainder.movedim(-1, 0)
    n_positions = len(swept.embed)
    edges.tokens[chosen, :n_positions] = torch.einsum("prd,pd->rp", swept.embed, frozen.embed[:n_positions])
    edges.constant[chosen] = swept.constant + constant


def _read(
    basis: Basis, features: Tensor, remainder: Tensor, constant: Tensor, layer: int, gradient: Tensor
) -> Tensor | None:
    """Adds what a layer's parts give the rows."""
    n_positions, n_rows, _ = gradient.shape
    for part in basis.written[layer]:
        if part.position < n_positions:
            run = slice(part.first, part.first + len(part.vectors))
            features[run, :n_rows].addmm_(part.vectors, gradient[part.position].T)
    sides = torch.stack([basis.remainder[layer, :n_positions], basis.constant[layer, :n_positions]], dim=-1)
    left = gradient @ sides
    remainder[layer, :n_positions, :n_rows] = left[..., 0]
    constant[:n_rows] += left[..., 1].sum(0)
    return pass_skip(basis, layer, gradient)
