"""One attention score split, exactly, into what pairs of nodes give it: one on the query's side, one on the key's.

    score = scale · q · k = Σ over pairs (i, j) of  scale · q_i · k_j

q is linear in the stream that the head reads at the query's position, k in that at the key's, once norm denominators
(those of queries and keys, too) are frozen; the streams are sums over nodes below the layer, each carried there by the
frozen attention of the layers between, as in the backward sweep. Every node gives a vector to q and one to k, so that a
sweep of d_head rows for each side is all. Kamath et al., "Tracing Attention Computation Through Feature Interactions"
(2025).

A soft cap, the mask and the softmax come after the score: a large part does not say that the key wins over the others.
The difference of the scores of two keys (`against`) is what the pattern follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hooke.circuits.basis import Basis
from hooke.circuits.frozen import FrozenModel, freeze
from hooke.circuits.graph import Graph, Kind, Node
from hooke.circuits.intervene import require_own
from hooke.circuits.neuron_basis import neuron_basis
from hooke.circuits.reopened import graph_neurons
from hooke.circuits.rows import Edges, edges_into
from hooke.circuits.sweep import Rows, deepest_first, sweep
from hooke.circuits.targets import place_of
from hooke.circuits.trace import token_texts
from hooke.circuits.transcoder_basis import transcoder_basis
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.models.score_maps import ReadMap, ScoreMap, score_map

CANDIDATES = 2000
_PAIRS_AT_ONCE = 2**24


@dataclass(frozen=True, slots=True)
class Pair:
    """What two nodes give the score together."""

    query: Node
    key: Node
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionScore:
    """One score and its parts."""

    layer: int
    head: int
    query: int
    """Position that attends."""
    key: int
    """Position that is attended to."""
    against: int | None
    """Another key, whose score is taken off."""
    score: float
    """The model's own, before a soft cap, the mask and the softmax."""
    weight: float
    """What the pattern has there."""
    query_nodes: tuple[Node, ...]
    query_parts: Float[Tensor, "query_node d_head"]
    """Each node's part of the query, times the scale."""
    key_nodes: tuple[Node, ...]
    key_parts: Float[Tensor, "key_node d_head"]

    @property
    def total(self) -> float:
        """The sum over all pairs."""
        return float(self.query_parts.double().sum(0) @ self.key_parts.double().sum(0))

    @property
    def error(self) -> float:
        """How far the sum is from the score, relative to it, or to a thousandth of |q|·|k| where that is more."""
        size = float(self.query_parts.sum(0).norm() * self.key_parts.sum(0).norm())
        return abs(self.total - self.score) / max(abs(self.score), 1e-3 * size, 1e-30)

    @property
    def by_query(self) -> Float[Tensor, " query_node"]:
        """What each node on the query's side gives, with all of the key."""
        return self.query_parts @ self.key_parts.sum(0)

    @property
    def by_key(self) -> Float[Tensor, " key_node"]:
        """What each node on the key's side gives, with all of the query."""
        return self.key_parts @ self.query_parts.sum(0)

    @property
    def by_pair(self) -> Float[Tensor, "query_node key_node"]:
        """What each pair gives."""
        return self.query_parts @ self.key_parts.T

    def by_kinds(self) -> dict[tuple[Kind, Kind], float]:
        """What all pairs of two kinds of nodes give: (the query's, the key's)."""
        kinds, key_kinds = _kinds(self.query_nodes), _kinds(self.key_nodes)
        return {
            (kind, other): float(self.query_parts[rows].sum(0) @ self.key_parts[columns].sum(0))
            for kind, rows in kinds.items()
            for other, columns in key_kinds.items()
        }

    def pairs(self, n: int) -> list[Pair]:
        """The pairs that give most, whatever the sign."""
        n_keys = len(self.key_nodes)
        scores = self.query_parts.new_zeros(0)
        places = torch.zeros(0, dtype=torch.int64, device=scores.device)
        # All pairs at once may be more than fits into memory.
        size = max(1, _PAIRS_AT_ONCE // n_keys)
        for start in range(0, len(self.query_nodes), size):
            some = (self.query_parts[start : start + size] @ self.key_parts.T).flatten()
            some_places = torch.arange(len(some), device=some.device) + start * n_keys
            scores, places = torch.cat([scores, some]), torch.cat([places, some_places])
            best = scores.abs().topk(min(n, len(scores))).indices
            scores, places = scores[best], places[best]
        return [
            Pair(self.query_nodes[place // n_keys], self.key_nodes[place % n_keys], score)
            for place, score in zip(places.tolist(), scores.tolist(), strict=True)
        ]


def _kinds(nodes: Sequence[Node]) -> dict[Kind, list[int]]:
    found: dict[Kind, list[int]] = {}
    for number, node in enumerate(nodes):
        found.setdefault(node.kind, []).append(number)
    return found


def attention_score(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    *,
    layer: int,
    head: int,
    query: int,
    key: int,
    against: int | None = None,
    candidates: int = CANDIDATES,
) -> AttentionScore:
    """One score on a graph's prompt. The graph's own features stand alone, and those that give this score most.

    Raises:
        BadRequest: the graph is of another model or dictionary; see `split_score`.
        HookeError: see `freeze`.
    """
    require_own(graph, model, dictionary)
    with torch.no_grad():
        frozen = freeze(model, torch.tensor([graph.token_ids]))
        return split_score(
            frozen,
            dictionary,
            layer=layer,
            head=head,
            query=query,
            key=key,
            against=against,
            candidates=candidates,
            graph=graph,
        )


def split_score(
    frozen: FrozenModel,
    dictionary: Replacement | str,
    *,
    layer: int,
    head: int,
    query: int,
    key: int,
    against: int | None = None,
    candidates: int = CANDIDATES,
    graph: Graph | None = None,
) -> AttentionScore:
    """One score on a frozen prompt.

    Args:
        dictionary: a set of transcoders, all of whose active features are told apart, or "neurons".
        query, key: positions from 0, or from the end.
        against: another key; its score is taken off.
        candidates: neurons that are told apart; the others are the rest of their layer and position.
        graph: features of it are always told apart, and its names are used.

    Raises:
        BadRequest: there is no such head or position, a key lies behind the query or is set against itself, the prompt
            has one token only, or the dictionary is a name that is not "neurons".
        UnsupportedModel: attention is not linear in what it reads, or the neurons were not found.
    """
    if isinstance(dictionary, str) and dictionary != "neurons":
        raise BadRequest(f"'{dictionary}' is no basis.", "", "Give 'neurons' or a set of transcoders.")
    if frozen.n_positions < 2:
        raise BadRequest("A prompt of one token has no attention to split.", "", "Give at least two tokens.")
    query, key = require_place(frozen, layer, head, query, key)
    other = None if against is None else require_place(frozen, layer, head, query, against)[1]
    if other == key:
        raise BadRequest(f"The key at {key} cannot be set against itself.", "", "Give another key.")
    maps = score_map(frozen.model, frozen.tokens, layer, head, query, key)
    other_maps = None if other is None else score_map(frozen.model, frozen.tokens, layer, head, query, other)
    rows = [_rows(frozen, layer, query, maps.query, maps.scale), _rows(frozen, layer, key, maps.key)]
    if other is not None and other_maps is not None:
        rows.append(_rows(frozen, layer, other, other_maps.key, -1.0))
    basis = _basis(frozen, dictionary, _joined(_marginals(maps, other_maps, rows)), candidates, graph)
    edges = edges_into(frozen, basis, _joined(rows))
    of_query, *of_keys = (
        edges.take(numbers) for numbers in torch.arange(len(edges.constant)).split([len(one) for one in rows])
    )
    query_nodes, query_parts = _parts(frozen, basis, of_query, graph)
    key_nodes, key_parts = _parts(frozen, basis, _summed(of_keys), graph)
    return AttentionScore(
        layer=layer,
        head=head,
        query=query,
        key=key,
        against=other,
        score=maps.score - (0.0 if other_maps is None else other_maps.score),
        weight=float(frozen.blocks[layer].pattern[head, query, key]),
        query_nodes=query_nodes,
        query_parts=query_parts,
        key_nodes=key_nodes,
        key_parts=key_parts,
    )


def require_place(frozen: FrozenModel, layer: int, head: int, query: int, key: int) -> tuple[int, int]:
    """The two positions, counted from 0.

    Raises:
        BadRequest: there is no such head or position, or the key lies behind the query.
    """
    n_heads = len(frozen.blocks[0].pattern)
    if not (0 <= layer < frozen.n_layers and 0 <= head < len(frozen.blocks[layer].pattern)):
        raise BadRequest(
            f"{frozen.model.name} has no head {layer}.{head}.",
            f"It has {frozen.n_layers} layers of {n_heads} heads, both counted from 0.",
            "Give layer.head.",
        )
    query, key = place_of(frozen, query), place_of(frozen, key)
    if key > query:
        raise BadRequest(
            f"The key at {key} lies behind the query at {query}.",
            "A token attends to itself and to those before it.",
            "Give a key up to the query.",
        )
    return query, key


def _rows(frozen: FrozenModel, layer: int, position: int, read: ReadMap, scale: float = 1.0) -> Rows:
    """A query or key, each of its numbers a linear function of the stream that the layer reads."""
    norm, matrix = frozen.blocks[layer].attention_norm, read.matrix * scale
    places = torch.full((len(matrix),), position, device=matrix.device)
    constant = read.bias * scale
    return Rows(
        depth=torch.full_like(places, 2 * layer),
        position=places,
        vector=matrix if norm is None else norm.adjoint_at(places, matrix),
        constant=constant if norm is None else constant + matrix @ norm.map.bias,
    )


def _marginals(maps: ScoreMap, other: ScoreMap | None, rows: Sequence[Rows]) -> list[Rows]:
    """The score as a linear function of the query's stream, and of each key's."""
    key = maps.key.value if other is None else maps.key.value - other.key.value
    sides = [key, *(maps.query.value * maps.scale for _ in rows[1:])]
    return [
        Rows(one.depth[:1], one.position[:1], (side @ one.vector)[None], (side @ one.constant)[None])
        for side, one in zip(sides, rows, strict=True)
    ]


def _joined(rows: Sequence[Rows]) -> Rows:
    return Rows(
        torch.cat([one.depth for one in rows]),
        torch.cat([one.position for one in rows]),
        torch.cat([one.vector for one in rows]),
        torch.cat([one.constant for one in rows]),
    )


def _basis(
    frozen: FrozenModel, dictionary: Replacement | str, marginals: Rows, candidates: int, graph: Graph | None
) -> Basis:
    if not isinstance(dictionary, str):
        return transcoder_basis(frozen, dictionary)
    size = _neuron_sizes(frozen, marginals)
    n_own = 0
    if graph is not None:
        own = graph_neurons(graph, frozen) > 0
        size, n_own = size.masked_fill(own, torch.inf), int(own.sum())
    return neuron_basis(frozen, size, candidates + n_own)


def _neuron_sizes(frozen: FrozenModel, rows: Rows) -> Float[Tensor, "layer pos neuron"]:
    """The largest of what each neuron gives the rows, past no other MLP."""
    widths = [0 if block.neurons is None else block.neurons.shape[-1] for block in frozen.blocks]
    size = frozen.embed.new_zeros(frozen.n_layers, frozen.n_positions, max(widths))

    def read(layer: int, gradient: Tensor) -> None:
        block, n = frozen.blocks[layer], len(gradient)
        if block.neurons is not None and block.map.neurons is not None:
            behind = gradient if block.mlp_post_norm is None else block.mlp_post_norm.adjoint(gradient)
            effects = (behind @ block.map.neurons.outputs.T) * block.neurons[:n, None]
            size[layer, :n, : widths[layer]] = effects.abs().amax(1)

    sweep(frozen, rows.take(deepest_first(rows)), read)
    return size


def _summed(edges: Sequence[Edges]) -> Edges:
    names = ("features", "remainder", "tokens", "constant")
    return Edges(*(torch.stack([getattr(one, name) for one in edges]).sum(0) for name in names))


def _parts(
    frozen: FrozenModel, basis: Basis, edges: Edges, graph: Graph | None
) -> tuple[tuple[Node, ...], Float[Tensor, "node d_head"]]:
    """The nodes that give something, and what."""
    known = {} if graph is None else {node.id: node for node in graph.nodes}
    features, remainder = basis.features, edges.remainder.flatten(1)
    used, left, seen = (_used(part) for part in (edges.features, remainder, edges.tokens))
    texts = token_texts(frozen)
    nodes = [
        Node(
            kind="feature",
            layer=int(features.layer[at]),
            position=int(features.position[at]),
            index=int(features.index[at]),
            activation=float(features.activation[at]),
        )
        for at in used.tolist()
    ]
    nodes += [
        Node(kind=basis.remainder_kind, layer=place // frozen.n_positions, position=place % frozen.n_positions)
        for place in left.tolist()
    ]
    nodes += [
        Node(kind="token", position=position, index=int(frozen.tokens[position]), name=texts[position])
        for position in seen.tolist()
    ]
    nodes.append(Node(kind="constant"))
    columns = [edges.features[:, used], remainder[:, left], edges.tokens[:, seen], edges.constant[:, None]]
    return tuple(known.get(node.id, node) for node in nodes), torch.cat(columns, dim=1).T


def _used(columns: Float[Tensor, "row column"]) -> Int[Tensor, " used"]:
    return columns.abs().sum(0).nonzero()[:, 0]
