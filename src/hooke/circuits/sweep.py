"""The backward map of the frozen model, from the last layer to the embedding, for many target rows at once.

Rows lie deepest first and begin at their own depth, so that those that have begun are one block of memory; above their
depth they cost nothing, and positions behind the last target are never touched (the causal cone). Per row and layer
this is two projection products, in place, and one mixing of positions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.frozen import FrozenBlock, FrozenModel

_CELLS = 2048
"""Gradients of a batch, rows times positions."""

Through = Callable[[int, Tensor], Tensor | None]
"""(layer, gradients at its mlp_out [pos, row, d_model]) -> gradients that the MLP passes on to the stream it reads."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Linear functions of the residual stream whose sources are asked for, one a row."""

    depth: Int[Tensor, " row"]
    """Where in the stream each is read: 2·layer + 1 for resid_mid of a layer, 2·layer + 2 for its resid_post."""
    position: Int[Tensor, " row"]
    vector: Float[Tensor, "row d_model"]
    """Gradient of each target with respect to the stream there."""
    constant: Float[Tensor, " row"]
    """What each target has without any input."""

    def __len__(self) -> int:
        return len(self.depth)

    def take(self, rows: Int[Tensor, " n"]) -> "Rows":
        """Some of the rows."""
        return Rows(self.depth[rows], self.position[rows], self.vector[rows], self.constant[rows])


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep leaves at the bottom."""

    embed: Float[Tensor, "pos row d_model"]
    """Gradients at the embedding."""
    constant: Float[Tensor, " row"]
    """What constants of attention and positions give each row, with the row's own."""


def deepest_first(rows: Rows) -> Int[Tensor, " row"]:
    """The order in which a sweep takes rows."""
    return rows.depth.argsort(descending=True, stable=True)


def sweep(frozen: FrozenModel, rows: Rows, through_mlp: Through) -> Swept:
    """The backward map of all rows, which must come deepest first.

    `through_mlp` sees the gradients at each layer's MLP output, of the rows that have begun by then, and may return
    what goes on to the stream that the MLP reads. The gradients are the sweep's own and change after it has seen them.
    """
    gradients = rows.vector.new_zeros(len(rows), int(rows.position.max()) + 1, rows.vector.shape[-1])
    gradients[torch.arange(len(rows), device=gradients.device), rows.position] = rows.vector
    constant = rows.constant.clone()
    for layer in reversed(range(frozen.n_layers)):
        block = frozen.blocks[layer]
        begun = gradients[: _n_begun(rows, 2 * layer + 2)]
        passed = through_mlp(layer, begun.transpose(0, 1)) if len(begun) else None
        if block.map.is_parallel:
            _add_constants(constant, begun, block.attention_constant)
            _attend_back(block, begun)
        if passed is not None:
            begun += passed.transpose(0, 1)
        if not block.map.is_parallel:
            begun = gradients[: _n_begun(rows, 2 * layer + 1)]
            _add_constants(constant, begun, block.attention_constant)
            _attend_back(block, begun)
    _add_constants(constant, gradients, frozen.place)
    return Swept(gradients.transpose(0, 1), constant)


def _n_begun(rows: Rows, depth: int) -> int:
    """How many rows are read at this depth or deeper."""
    return int((rows.depth >= depth).sum())


def _add_constants(constant: Tensor, begun: Tensor, vectors: Tensor) -> None:
    n_rows, n_positions, _ = begun.shape
    # Most models have none.
    if n_rows and bool(vectors.any()):
        constant[:n_rows] += begun.reshape(n_rows, -1) @ vectors[:n_positions].reshape(-1)


def _attend_back(block: FrozenBlock, begun: Tensor) -> None:
    """Gradients [row, pos, d_model] at resid_mid become those at resid_pre: to the stream's own, attention's are added.

    The norms around attention are folded into its small tensors, so that nothing passes over the gradients but the
    two projections.
    """
    n_rows, n_positions, width = begun.shape
    if n_rows == 0:
        return
    attention, norm, post = block.map.attention, block.attention_norm, block.attention_post_norm
    n_heads, d_head, _ = attention.outputs.shape
    n_kv = len(attention.values)
    outputs = attention.outputs if post is None else post.writing(attention.outputs)
    values = attention.values if norm is None else norm.reading(attention.values)
    pattern = block.pattern[:, :n_positions, :n_positions]
    pattern = pattern if post is None else pattern * post.inverse[:n_positions, None]
    pattern = pattern if norm is None else pattern * norm.inverse[:n_positions]
    flat = begun.view(-1, width)
    heads = (flat @ outputs.reshape(-1, width).T).view(n_rows, n_positions, n_heads, d_head)
    mixed = heads.new_zeros(n_rows, n_positions, n_kv, d_head)
    for head in range(n_heads):
        mixed[:, :, head * n_kv // n_heads] += pattern[head].T @ heads[:, :, head]
    flat.addmm_(mixed.view(len(flat), -1), values.reshape(-1, width))


def batches(rows: Rows, size: int) -> Iterator[Int[Tensor, " n"]]:
    """Row numbers in batches of nearby positions, deepest first inside each, so that the causal cone is cut.

    A batch has at most `size` rows, and so few that their gradients stay near the processor.
    """
    order = rows.position.argsort(stable=True)
    positions = rows.position[order].tolist()
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and stop - start < size and (stop + 1 - start) * (positions[stop] + 1) <= _CELLS:
            stop += 1
        chosen = order[start:stop]
        yield chosen[deepest_first(rows.take(chosen))]
        start = stop
