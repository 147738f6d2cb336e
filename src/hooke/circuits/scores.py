"""Influence, replacement and completeness of a graph, as the field defines them and corrected, each beside its null.

Rows of |edges| are divided by their sum (constants left out), A; a node's influence is w·(A + A² + ...), w the targets'
weights. Then, with residual nodes R,

    replacement   = I(tokens) / (I(tokens) + I(R))
    completeness  = Σ (I + w)[t] · (1 - A[t, R]) / Σ (I + w)[t]

The field counts R = errors, drops features that were not taken up, and sums completeness over leaves as well, which
count as explained: a graph fed by errors alone has .5. Corrected: R = errors and rest, and the sum over nodes that have
inputs. The null is the same score of the graph without features, everything they wrote merged into the residual node of
its place. Ameisen et al., "Circuit Tracing" (2025).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.graph import Graph


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of one graph."""

    replacement: float
    completeness: float
    replacement_corrected: float
    completeness_corrected: float
    replacement_null: float
    completeness_null: float
    replacement_corrected_null: float
    completeness_corrected_null: float
    path_length: float
    """Mean number of edges of what arrives from tokens."""


def shares(graph: Graph, dropped: tuple[str, ...] = ()) -> Float[ndarray, "row node"]:
    """|edges| with each row's sum 1, without the constant and the kinds that are dropped."""
    size = np.abs(graph.weights).astype(np.float64)
    for number, node in enumerate(graph.nodes):
        if node.kind == "constant" or node.kind in dropped:
            size[:, number] = 0
    return size / np.maximum(size.sum(1, keepdims=True), 1e-10)


def influence(graph: Graph, dropped: tuple[str, ...] = ()) -> Float[ndarray, " node"]:
    """w·(A + A² + ...) of every node."""
    return spread(graph, shares(graph, dropped)).reached


def weights(graph: Graph) -> Float[ndarray, " node"]:
    """The targets' weights, 0 elsewhere."""
    return np.array([node.weight if node.kind == "logit" else 0.0 for node in graph.nodes])


@dataclass(frozen=True, slots=True)
class Spread:
    """What of the targets' weights arrives at each node."""

    reached: Float[ndarray, " node"]
    """w·(A + A² + ...)."""
    hops: Float[ndarray, " node"]
    """w·(A + 2A² + 3A³ + ...): with `reached`, the mean number of edges of what arrives."""


def spread(graph: Graph, parts: Float[ndarray, "row node"]) -> Spread:
    """One pass from the targets down: a layer's rows are complete when all layers above have been added."""
    start = weights(graph)
    reached, hops = np.zeros(len(graph.nodes)), np.zeros(len(graph.nodes))
    for rows in rows_downwards(graph):
        mass = start[rows] + reached[rows]
        reached += mass @ parts[rows]
        hops += (hops[rows] + mass) @ parts[rows]
    return Spread(reached, hops)


def rows_downwards(graph: Graph) -> Iterator[ndarray]:
    """Numbers of the targets, then of each layer's features from the last layer to the first."""
    layer = np.array([node.layer if node.kind == "feature" else -1 for node in graph.nodes[: graph.n_rows]])
    targets = (layer < 0).nonzero()[0]
    yield targets
    for one in np.unique(layer[layer >= 0])[::-1]:
        yield (layer == one).nonzero()[0]


def score(graph: Graph) -> Scores:
    """Every score, each with its null."""
    empty = graph.without(graph.numbers("feature"))
    field, corrected = _score(graph, is_corrected=False), _score(graph, is_corrected=True)
    # Without features nothing is left to drop: what they wrote is the residual of its place.
    field_null, corrected_null = _score(empty, is_corrected=True, leaves=True), _score(empty, is_corrected=True)
    return Scores(
        replacement=field[0],
        completeness=field[1],
        replacement_corrected=corrected[0],
        completeness_corrected=corrected[1],
        replacement_null=field_null[0],
        completeness_null=field_null[1],
        replacement_corrected_null=corrected_null[0],
        completeness_corrected_null=corrected_null[1],
        path_length=_path_length(graph),
    )


def _score(graph: Graph, *, is_corrected: bool, leaves: bool = False) -> tuple[float, float]:
    parts = shares(graph, () if is_corrected else ("rest",))
    start = weights(graph)
    reached = spread(graph, parts).reached
    residual = np.array([node.kind in ("error", "rest") for node in graph.nodes])
    residual &= reached > 0
    tokens = np.array([node.kind == "token" for node in graph.nodes])
    from_tokens, from_residual = reached[tokens].sum(), reached[residual].sum()
    here = reached + start
    unexplained = np.zeros(len(graph.nodes))
    unexplained[: graph.n_rows] = parts[:, residual].sum(1)
    counted = np.ones(len(graph.nodes), bool)
    if is_corrected and not leaves:
        counted[graph.n_rows :] = False
    return (
        float(from_tokens / max(from_tokens + from_residual, 1e-12)),
        float((here * (1 - unexplained))[counted].sum() / max(here[counted].sum(), 1e-12)),
    )


def _path_length(graph: Graph) -> float:
    arriving = spread(graph, shares(graph))
    tokens = np.array([node.kind == "token" for node in graph.nodes])
    return float(arriving.hops[tokens].sum() / max(arriving.reached[tokens].sum(), 1e-12))
