"""The frozen model run forwards on changes of its leaves: what arrives in the stream, depth by depth.

The backward sweep asks what a target is made of; this asks what a source does. Neither uses the other's products, so
that an edge found by both is right.
"""

from collections.abc import Iterator, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from hooke.circuits.frozen import FrozenModel, attend
from hooke.circuits.reopened import Skip, Write


def forward(
    frozen: FrozenModel, sources: Sequence[Sequence[Write]], skips: Mapping[int, Skip]
) -> Iterator[tuple[int, Float[Tensor, "source pos d_model"]]]:
    """(depth, change of the stream there) for each depth that something reads, when a source's writes are added.

    Attention patterns, denominators and all other leaves stay as they are; a transcoder's linear path does not.
    """
    change = frozen.embed.new_zeros(len(sources), *frozen.embed.shape)
    _write(change, sources, -1)
    for layer, block in enumerate(frozen.blocks):
        yield 2 * layer, change
        middle = change + attend(block, change) - block.attention_constant
        if not block.map.is_parallel:
            yield 2 * layer + 1, middle
        skip = skips.get(layer)
        passed = None if skip is None else skip(change if block.map.is_parallel else middle)
        change = middle if passed is None else middle + passed
        _write(change, sources, layer)
    yield 2 * frozen.n_layers, change


def _write(change: Tensor, sources: Sequence[Sequence[Write]], layer: int) -> None:
    for row, writes in enumerate(sources):
        for at, position, vector in writes:
            if at == layer:
                change[row, position] += vector


def at_once(frozen: FrozenModel) -> int:
    """How many sources fit into a quarter of a gigabyte."""
    n_heads = max(len(block.pattern) for block in frozen.blocks)
    widest = frozen.n_positions * max(frozen.embed.shape[1], n_heads * frozen.n_positions)
    return max(1, min(64, 2**26 // (8 * widest)))
