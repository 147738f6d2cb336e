"""Graphs made by hand, for laws that need no model."""

import numpy as np

from hooke.circuits.graph import Graph, Node

FEATURE, OTHER = (Node(kind="feature", layer=layer, position=0, index=7, activation=1.0, value=1.0) for layer in (0, 1))
LOGIT = Node(kind="logit", position=1, index=5, name=" Paris", value=1.0, weight=1.0)
ERROR = Node(kind="error", layer=0, position=0)
TOKEN = Node(kind="token", position=0, index=3, name="The")
CONSTANT = Node(kind="constant")


def graph_of(*nodes: Node, edges: dict[tuple[Node, Node], float]) -> Graph:
    """A graph of these nodes, those with incoming edges first, from (source, target) -> weight."""
    n_rows = sum(node.kind in ("feature", "logit") for node in nodes)
    weights = np.zeros((n_rows, len(nodes)), np.float32)
    for (source, target), weight in edges.items():
        weights[nodes.index(target), nodes.index(source)] = weight
    return Graph(
        prompt="The capital",
        token_ids=(3, 4),
        tokens=("The", " capital"),
        model="toy",
        dictionary="hand",
        n_layers=2,
        nodes=nodes,
        weights=weights,
        hidden=np.zeros(n_rows),
    )
