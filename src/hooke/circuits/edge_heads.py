"""Which heads an edge came through: its weight split by the last step before the target, exactly.

A path from a source to a target hops from position to position through heads of the layers between. Its last hop is
one head, or the path has none: it stayed in the residual stream (or came through a transcoder's linear path). Taking
each path to its last step parts the edge without counting anything twice:

    edge = direct + Σ heads (what the head writes, of what the source had brought to the stream that it reads)
                  + Σ linear paths

What reached that head through heads before it counts for the last one; ask for them by asking what the last head reads
(`qk.py` splits why it looks there).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.forward import forward
from hooke.circuits.frozen import FrozenBlock
from hooke.circuits.graph import Graph
from hooke.circuits.readers import Reader, readers_of
from hooke.circuits.reopened import Reopened, Write, reopen
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.models.model import Model


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A last step before the target, with what came through it."""

    kind: Literal["direct", "head", "linear"]
    """direct: along the residual stream; linear: through a transcoder's linear path."""
    layer: int | None = None
    head: int | None = None
    weight: float

    @property
    def name(self) -> str:
        """As people write it: direct, 12.3 for a head, linear.12."""
        return {"direct": "direct", "head": f"{self.layer}.{self.head}", "linear": f"linear.{self.layer}"}[self.kind]


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeHeads:
    """An edge by its last steps."""

    source: str
    target: str
    edge: float
    """What the graph has."""
    steps: tuple[Step, ...]
    """All that are not zero, the largest first."""

    @property
    def total(self) -> float:
        """The sum of the steps, which is the edge."""
        return math.fsum(step.weight for step in self.steps)


def edge_heads(graph: Graph, model: Model, dictionary: Replacement | str, source: str, target: str) -> EdgeHeads:
    """An edge of a graph, by the last head before the target.

    Raises:
        BadRequest: the graph is of another model or dictionary, or was made by another tool; a node is not there, has
            no incoming edges, or is no place in the stream.
        HookeError: see `freeze`.
    """
    for id in (source, target):
        graph.number(id)
    return split_edge(reopen(graph, model, dictionary), source, target)


def split_edge(opened: Reopened, source: str, target: str) -> EdgeHeads:
    """An edge of a graph that was opened again, by the last head before the target.

    Raises:
        BadRequest: a node is not there, has no incoming edges, or is no place in the stream.
    """
    graph = opened.graph
    row, column = graph.number(target), graph.number(source)
    if row >= graph.n_rows:
        raise BadRequest(
            f"'{target}' has no incoming edges.", "Features and targets of a graph have some.", "Give one of those."
        )
    with torch.no_grad():
        reader = next(readers_of(opened, [row]), None)
        if reader is None:
            raise BadRequest(f"'{target}' is a direction.", "A graph does not keep its vector.", "Give a token.")
        steps = [step for step in _steps(opened, _writes(opened, source), reader) if step.weight]
    return EdgeHeads(
        source=source,
        target=target,
        edge=float(graph.weights[row, column]),
        steps=tuple(sorted(steps, key=lambda step: -abs(step.weight))),
    )


def _writes(opened: Reopened, source: str) -> list[Write]:
    node = opened.graph.nodes[opened.graph.number(source)]
    if node.kind in ("logit", "constant"):
        raise BadRequest(
            f"'{source}' is no place in the stream.", f"It is a {node.kind}.", "Give a feature, error, rest or token."
        )
    if node.kind == "rest" and not opened.is_whole:
        raise BadRequest(
            f"What '{source}' holds is not known any more.",
            "The graph was cut after it was traced.",
            "Ask the graph that it was cut from.",
        )
    return opened.writes(node)


def _steps(opened: Reopened, writes: list[Write], reader: Reader) -> Iterator[Step]:
    frozen, position = opened.frozen, int(reader.position[0])
    vector = reader.vectors[0]
    if reader.norm is not None:
        vector = reader.norm.adjoint_at(reader.position, reader.vectors)[0]
    direct = [one @ vector for layer, place, one in writes if place == position and 2 * layer + 2 <= reader.depth]
    yield Step(kind="direct", weight=float(sum(direct)))
    for depth, change in forward(frozen, [writes], opened.skips):
        layer = depth // 2
        if depth == 2 * layer and depth + 1 <= reader.depth and layer < frozen.n_layers:
            written = head_writes(frozen.blocks[layer], change[0], position)
            for head, weight in enumerate((written @ vector).tolist()):
                yield Step(kind="head", layer=layer, head=head, weight=weight)
        if layer in opened.skips and depth == frozen.mlp_depth(layer) and 2 * layer + 2 <= reader.depth:
            passed = opened.skips[layer](change)[0, position]
            yield Step(kind="linear", layer=layer, weight=float(passed @ vector))


def head_writes(
    block: FrozenBlock, change: Float[Tensor, "pos d_model"], position: int
) -> Float[Tensor, "head d_model"]:
    """What each head adds to the stream at a position when the stream that the layer reads changes."""
    attention, norm, post = block.map.attention, block.attention_norm, block.attention_post_norm
    read = change if norm is None else norm.apply(change)
    values = torch.einsum("kd,ged->gke", read, attention.values)
    shared = values.repeat_interleave(len(attention.outputs) // len(values), dim=0)
    mixed = torch.einsum("hk,hke->he", block.pattern[:, position], shared)
    written = torch.einsum("he,hed->hd", mixed, attention.outputs)
    places = torch.full((len(written),), position, device=written.device)
    return written if post is None else post.apply_at(places, written)
