"""A graph's targets as they read the stream: each by its own definition, forwards, without the sweep's adjoints.

A transcoder's feature is its encoder row behind the norm, a neuron its gate and input with the half rule's multipliers,
a token's logit its unembedding row behind the final norm, less the mean's or another token's; before any soft cap.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.frozen import FrozenNorm
from hooke.circuits.neuron_basis import multipliers
from hooke.circuits.reopened import Reopened
from hooke.circuits.targets import logit_scale


@dataclass(frozen=True, slots=True)
class Reader:
    """Targets that read the stream at one depth behind one norm."""

    depth: int
    norm: FrozenNorm | None
    rows: list[int]
    position: Int[Tensor, " row"]
    vectors: Float[Tensor, "row d_model"]
    """What each is multiplied with behind the norm."""

    def read(self, change: Float[Tensor, "source pos d_model"]) -> Float[Tensor, "source row"]:
        """How far changes of the stream there move the targets."""
        behind = change if self.norm is None else self.norm.apply(change)
        return torch.einsum("srd,rd->sr", behind[:, self.position], self.vectors)


def readers_of(opened: Reopened, rows: Iterable[int]) -> Iterator[Reader]:
    """Readers of some rows of the graph. Targets that are directions have none: a graph does not keep their vectors."""
    graph, frozen = opened.graph, opened.frozen
    places: dict[int, list[int]] = {}
    logits = []
    for row in rows:
        node = graph.nodes[row]
        if node.kind == "feature":
            places.setdefault(node.layer or 0, []).append(row)
        elif node.index is not None:
            logits.append(row)
    for layer, some in places.items():
        yield _features(opened, layer, some)
    if logits:
        yield Reader(
            depth=2 * frozen.n_layers,
            norm=frozen.final_norm,
            rows=logits,
            position=_positions(opened, logits),
            vectors=torch.stack([_unembedding(opened, row) for row in logits]),
        )


def _features(opened: Reopened, layer: int, rows: list[int]) -> Reader:
    frozen, position = opened.frozen, _positions(opened, rows)
    index = torch.tensor([opened.graph.nodes[row].index for row in rows], device=position.device)
    norm, depth = frozen.blocks[layer].mlp_norm, frozen.mlp_depth(layer)
    if opened.dictionary is not None:
        is_normed = opened.dictionary.reads(layer).kind == "mlp_in"
        vectors = opened.dictionary.encoder_rows(layer, index).float().clone()
        opened.dictionary.release(layer)
        return Reader(depth, norm if is_normed else None, rows, position, vectors)
    part = frozen.blocks[layer].map.neurons
    assert part is not None
    unit, sign = index % len(part.gate), torch.where(index < len(part.gate), 1.0, -1.0)
    by = multipliers(part, frozen.mlp_in[layer], "half")
    vectors = (by.on_gate[position, unit] * sign)[:, None] * part.gate[unit]
    if by.on_up is not None and part.up is not None:
        vectors = vectors + (by.on_up[position, unit] * sign)[:, None] * part.up[unit]
    return Reader(depth, norm, rows, position, vectors)


def _unembedding(opened: Reopened, row: int) -> Tensor:
    node, maps = opened.graph.nodes[row], opened.frozen.maps
    assert node.index is not None
    minus = maps.mean_unembedding if node.other is None else maps.unembedding[node.other]
    return (maps.unembedding[node.index] - minus) * logit_scale(opened.frozen)


def _positions(opened: Reopened, rows: Sequence[int]) -> Tensor:
    positions = [opened.graph.nodes[row].position or 0 for row in rows]
    return torch.tensor(positions, device=opened.frozen.embed.device)
