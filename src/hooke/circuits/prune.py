"""A graph made small enough to read, and scores that do not profit from what was cut away.

Pruning follows the field: the fewest nodes that hold a share of all influence, then the fewest edges, then whatever has
lost its outputs or inputs. Scores of a pruned graph are given as the field has them (of what is left, as if it were
all) and corrected: what was removed counts in the residual of its place. Ameisen et al., "Circuit Tracing" (2025).
"""

from collections.abc import Collection
from dataclasses import asdict, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.circuits.graph import Graph
from hooke.circuits.scores import Scores, influence, score, shares, weights
from hooke.errors import BadRequest

NODE_SHARE, EDGE_SHARE = 0.8, 0.98
"""The field's thresholds."""


def prune(graph: Graph, *, nodes: float = NODE_SHARE, edges: float = EDGE_SHARE) -> Graph:
    """The graph with the nodes that hold a share of the influence and the edges that hold a share of what they pass.

    Tokens, targets and the constant stay. What is cut from a row's account stands in its `hidden`.

    Raises:
        BadRequest: a share is not in (0, 1].
    """
    for name, share in (("nodes", nodes), ("edges", edges)):
        if not 0 < share <= 1:
            raise BadRequest(f"{name} = {share} is no share.", "", "Give a number above 0 and up to 1.")
    always = np.array([node.kind in ("token", "logit", "constant") for node in graph.nodes])
    small = graph.only((_covering(influence(graph), nodes) | always).nonzero()[0])
    passed = shares(small) * (influence(small) + weights(small))[: small.n_rows, None]
    kept = _covering(passed.ravel(), edges).reshape(passed.shape)
    kept[:, small.numbers("constant")] = True
    small = _connected(small.with_weights(np.where(kept, small.weights, 0)))
    measures = {
        "nodes": len(small.nodes),
        "edges": small.n_edges,
        "expanded": len(small.numbers("feature")),
        "node_threshold": nodes,
        "edge_threshold": edges,
        **asdict(subgraph_scores(graph, small)),
    }
    return replace(small, measures=graph.measures | measures)


def subgraph_scores(graph: Graph, small: Graph) -> Scores:
    """Scores of a graph of fewer nodes: as the field has them, and corrected with the others' part in the residual."""
    field = score(small)
    left = {node.id for node in small.nodes}
    merged = score(graph.without([at for at in graph.numbers("feature") if graph.nodes[at].id not in left]))
    return replace(
        field,
        replacement_corrected=merged.replacement_corrected,
        completeness_corrected=merged.completeness_corrected,
        replacement_null=merged.replacement_null,
        completeness_null=merged.completeness_null,
        replacement_corrected_null=merged.replacement_corrected_null,
        completeness_corrected_null=merged.completeness_corrected_null,
    )


def subgraph(graph: Graph, ids: Collection[str]) -> Graph:
    """The graph of a few chosen nodes, with tokens, targets and constant; the rest is in `hidden`.

    Raises:
        BadRequest: an id that the graph does not have.
    """
    chosen = {graph.number(id) for id in ids} | set(graph.numbers("token", "logit", "constant"))
    small = graph.only(sorted(chosen))
    measures = {"nodes": len(small.nodes), "edges": small.n_edges, **asdict(subgraph_scores(graph, small))}
    return replace(small, measures=graph.measures | measures)


def _covering(values: Float[ndarray, " n"], share: float) -> Bool[ndarray, " n"]:
    """The largest values that sum to a share of all, with everything that is equal to the least of them."""
    order = np.argsort(-values, kind="stable")
    sums = values[order].cumsum()
    if len(sums) == 0 or sums[-1] <= 0:
        return np.zeros(len(values), bool)
    last = min(int(np.searchsorted(sums, share * sums[-1] * (1 - 1e-12))), len(sums) - 1)
    return (values >= values[order[last]]) & (values > 0)


def _connected(graph: Graph) -> Graph:
    """Without features and residuals that give nothing, and features that receive nothing, until none is left."""
    while True:
        used = (graph.weights != 0).any(axis=0)
        inputs = graph.weights.copy()
        inputs[:, graph.numbers("constant")] = 0
        fed = (inputs != 0).any(axis=1)
        stays = [
            number
            for number, node in enumerate(graph.nodes)
            if node.kind in ("token", "logit", "constant")
            or (used[number] and (node.kind != "feature" or number >= graph.n_rows or fed[number]))
        ]
        if len(stays) == len(graph.nodes):
            return graph
        graph = graph.only(stays)
