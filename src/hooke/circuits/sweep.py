"""The backward map of the frozen model, from the last layer to the embedding, for many target rows at once.

Gradients lie position-major, [pos, row, d_model], so that everything that one position writes is one matrix product.
Rows begin at their own depth and cost nothing above it; positions behind the last target are never touched (the causal
cone). Per row and layer this is two projection products and one mixing of positions.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.frozen import FrozenBlock, FrozenModel

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
    what goes on to the stream that the MLP reads.
    """
    n_positions = int(rows.position.max()) + 1
    gradient = rows.vector.new_zeros(n_positions, 0, rows.vector.shape[-1])
    constant = rows.constant.clone()
    for layer in reversed(range(frozen.n_layers)):
        block = frozen.blocks[layer]
        gradient = _begin(gradient, rows, 2 * layer + 2)
        passed = through_mlp(layer, gradient) if gradient.shape[1] else None
        if block.map.is_parallel:
            _add_constants(constant, gradient, block.attention_constant)
            gradient = _attend_back(block, gradient)
            gradient = gradient if passed is None else gradient.add_(passed)
        else:
            gradient = gradient if passed is None else gradient + passed
            gradient = _begin(gradient, rows, 2 * layer + 1)
            _add_constants(constant, gradient, block.attention_constant)
            gradient = _attend_back(block, gradient)
    gradient = _begin(gradient, rows, 0)
    _add_constants(constant, gradient, frozen.place)
    return Swept(gradient, constant)


def _begin(gradient: Tensor, rows: Rows, depth: int) -> Tensor:
    """The gradients with the rows that are read at this depth."""
    have = gradient.shape[1]
    n = int((rows.depth >= depth).sum()) - have
    if n == 0:
        return gradient
    new = gradient.new_zeros(len(gradient), n, gradient.shape[2])
    new[rows.position[have : have + n], torch.arange(n, device=new.device)] = rows.vector[have : have + n]
    return torch.cat([gradient, new], dim=1)


def _add_constants(constant: Tensor, gradient: Tensor, vectors: Tensor) -> None:
    n_positions, n_rows, _ = gradient.shape
    if n_rows:
        constant[:n_rows] += torch.einsum("prd,pd->r", gradient, vectors[:n_positions])


def _attend_back(block: FrozenBlock, gradient: Tensor) -> Tensor:
    """Gradients at resid_pre of gradients at resid_mid: the stream's own, and what went through attention."""
    n_positions, n_rows, width = gradient.shape
    if n_rows == 0:
        return gradient
    attention, post = block.map.attention, block.attention_post_norm
    n_heads, d_head, _ = attention.outputs.shape
    n_kv = len(attention.values)
    behind = gradient if post is None else post.adjoint(gradient)
    heads = behind.reshape(-1, width) @ attention.outputs.reshape(-1, width).T
    heads = heads.reshape(n_positions, n_rows, n_heads, d_head).permute(2, 0, 1, 3)
    # Heads that share their values are mixed and summed in one product.
    heads = heads.reshape(n_kv, n_heads // n_kv * n_positions, n_rows * d_head)
    pattern = block.pattern[:, :n_positions, :n_positions].reshape(n_kv, -1, n_positions)
    values = pattern.transpose(1, 2) @ heads
    values = values.reshape(n_kv, n_positions, n_rows, d_head).permute(1, 2, 0, 3).reshape(-1, n_kv * d_head)
    read = (values @ attention.values.reshape(-1, width)).reshape(gradient.shape)
    if block.attention_norm is not None:
        read = block.attention_norm.adjoint(read)
    return read.add_(gradient)


def batches(rows: Rows, size: int) -> Iterator[Int[Tensor, " n"]]:
    """Row numbers in batches of nearby positions, deepest first inside each, so that the causal cone is cut."""
    for chosen in rows.position.argsort(stable=True).split(size):
        yield chosen[deepest_first(rows.take(chosen))]
