"""Graphs made by hand, for laws that need no model."""

import itertools
from dataclasses import replace

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


def random_graph(seed: int, n_layers: int = 4, width: int = 3) -> Graph:
    """Signed edges between every two layers, about a third of them absent."""
    generator = np.random.default_rng(seed)
    features = [
        Node(kind="feature", layer=layer, position=at % 2, index=at, activation=1.0)
        for layer in range(n_layers)
        for at in range(width)
    ]
    leaves = [Node(kind="token", position=at, index=at) for at in range(2)]
    nodes = [*features, LOGIT, *leaves]
    height = {id(node): -1 if node.kind == "token" else 9 if node is LOGIT else node.layer or 0 for node in nodes}
    edges = {
        (lower, upper): float(generator.normal())
        for lower, upper in itertools.product(nodes, nodes)
        if height[id(lower)] < height[id(upper)] and (lower.kind == "token" or generator.random() > 0.35)
    }
    return replace(graph_of(*nodes, edges=edges), n_layers=n_layers)
