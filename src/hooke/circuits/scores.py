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
    return _shares(graph, slice(None), _columns(graph, ("constant", *dropped)))


def _shares(graph: Graph, rows: ndarray | slice, left_out: ndarray) -> Float[ndarray, "row node"]:
    size = np.abs(graph.weights[rows], dtype=np.float64)
    size[:, left_out] = 0
    size /= np.maximum(size.sum(1, keepdims=True), 1e-10)
    return size


def _columns(graph: Graph, kinds: tuple[str, ...]) -> ndarray:
    """Marks the nodes of these kinds."""
    return np.array([node.kind in kinds for node in graph.nodes])


def influence(graph: Graph, dropped: tuple[str, ...] = ()) -> Float[ndarray, " node"]:
    """w·(A + A² + ...) of every node."""
    return spread(graph, dropped).reached


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
    unexplained: Float[ndarray, " row"]
    """Share of each row that comes from errors and from the rest."""


def spread(graph: Graph, dropped: tuple[str, ...] = ()) -> Spread:
    """One pass from the targets down: a layer's rows are complete when all layers above have been added.

    The shares of a layer's rows are made when they are needed: those of all rows would be twice the size of the graph.
    """
    start, left_out = weights(graph), _columns(graph, ("constant", *dropped))
    residual = _columns(graph, ("error", "rest"))
    reached, hops, unexplained = np.zeros(len(graph.nodes)), np.zeros(len(graph.nodes)), np.zeros(graph.n_rows)
    for rows in rows_downwards(graph):
        parts = _shares(graph, rows, left_out)
        mass = start[rows] + reached[rows]
        reached += mass @ parts
        hops += (hops[rows] + mass) @ parts
        unexplained[rows] = parts[:, residual].sum(1)
    return Spread(reached, hops, unexplained)


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
    whole = spread(graph)
    field = _score(graph, spread(graph, ("rest",)), counts_leaves=True)
    corrected = _score(graph, whole, counts_leaves=False)
    # Without features nothing is left to drop: what they wrote is the residual of its place.
    bare = spread(empty)
    field_null, corrected_null = (_score(empty, bare, counts_leaves=leaves) for leaves in (True, False))
    tokens = _columns(graph, ("token",))
    return Scores(
        replacement=field[0],
        completeness=field[1],
        replacement_corrected=corrected[0],
        completeness_corrected=corrected[1],
        replacement_null=field_null[0],
        completeness_null=field_null[1],
        replacement_corrected_null=corrected_null[0],
        completeness_corrected_null=corrected_null[1],
        path_length=float(whole.hops[tokens].sum() / max(whole.reached[tokens].sum(), 1e-12)),
    )


def _score(graph: Graph, arriving: Spread, *, counts_leaves: bool) -> tuple[float, float]:
    """Replacement and completeness."""
    from_tokens = arriving.reached[_columns(graph, ("token",))].sum()
    from_residual = arriving.reached[_columns(graph, ("error", "rest"))].sum()
    here = arriving.reached + weights(graph)
    explained = here.copy()
    explained[: graph.n_rows] *= 1 - arriving.unexplained
    counted = slice(None) if counts_leaves else slice(graph.n_rows)
    return (
        float(from_tokens / max(from_tokens + from_residual, 1e-12)),
        float(explained[counted].sum() / max(here[counted].sum(), 1e-12)),
    )
