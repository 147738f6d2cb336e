"""A graph as columns: what a page or a program reads of it, nodes and strongest edges as arrays of equal length."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from hooke.circuits.graph import Graph
from hooke.circuits.scores import influence, weights
from hooke.errors import BadArtefact
from hooke.lab import read_json

KINDS = ("feature", "logit", "error", "rest", "token", "constant")
"""Kinds of nodes; a column of kinds holds places in this list."""
MOST_EDGES = 100_000
"""Edges of a table; the strongest ones are kept."""


@dataclass(frozen=True)
class GraphTable:
    """A graph with its columns."""

    graph: Graph
    nodes: dict[str, ndarray]
    """kind u8 · layer, position i16 and index i32 (-1: none) · activation, value, influence, relevance, effect and
    weight f32 (NaN: none)."""
    edges: dict[str, ndarray]
    """source, target u32 · weight f32 · share f32, of the target's inputs · flow f32, of the influence; strongest
    first."""


@dataclass(frozen=True)
class GraphSummary:
    """What a list says of a graph."""

    prompt: str
    model: str
    dictionary: str
    targets: tuple[str, ...]
    n_nodes: int
    n_edges: int
    beats_controls: bool | None
    """None where nothing was validated."""


def table_of(graph: Graph, *, most_edges: int = MOST_EDGES) -> GraphTable:
    """The graph's columns."""
    reached = influence(graph)
    return GraphTable(graph, _node_columns(graph, reached), _edge_columns(graph, reached, most_edges))


def _node_columns(graph: Graph, reached: ndarray) -> dict[str, ndarray]:
    nodes = graph.nodes

    def numbers(name: str, dtype: type) -> ndarray:
        return np.array([-1 if (value := getattr(node, name)) is None else value for node in nodes], dtype)

    def values(name: str) -> ndarray:
        return np.array([np.nan if (value := getattr(node, name)) is None else value for node in nodes], np.float32)

    return {
        "kind": np.array([KINDS.index(node.kind) for node in nodes], np.uint8),
        "layer": numbers("layer", np.int16),
        "position": numbers("position", np.int16),
        "index": numbers("index", np.int32),
        **{name: values(name) for name in ("activation", "value", "relevance", "effect", "weight")},
        "influence": reached.astype(np.float32),
    }


def _edge_columns(graph: Graph, reached: ndarray, most: int) -> dict[str, ndarray]:
    """Edges by the influence that goes over them: the share of the target's input times what arrives at the target."""
    targets, sources = graph.weights.nonzero()
    given = graph.weights[targets, sources]
    size = np.abs(given).astype(np.float64)
    constant = np.zeros(len(graph.nodes), bool)
    constant[graph.numbers("constant")] = True
    # Constants are no input that a share could be of; theirs is told beside the others' sum.
    total = np.bincount(targets, np.where(constant[sources], 0, size), graph.n_rows)
    share = size / np.maximum(total[targets], 1e-10)
    flow = share * (reached + weights(graph))[targets]
    order = np.argsort(-flow, kind="stable")[:most]
    return {
        "source": sources[order].astype(np.uint32),
        "target": targets[order].astype(np.uint32),
        "weight": given[order].astype(np.float32),
        "share": share[order].astype(np.float32),
        "flow": flow[order].astype(np.float32),
    }


def summary_of(path: Path) -> GraphSummary:
    """What a graph file says of itself, without the graph being built.

    Raises:
        BadArtefact: it is no graph file.
    """
    data = read_json(path)
    try:
        own: dict[str, Any] = data.get("hooke") or {}
        about, nodes = data["metadata"], data["nodes"]
        targets = [str(node.get("clerp") or "") for node in nodes if node["feature_type"] == "logit"]
        if own:
            named = zip(own["kinds"], own["names"], strict=True)
            targets = [str(name) for kind, name in named if kind == "logit"]
        return GraphSummary(
            prompt=str(about["prompt"]),
            model=str(own.get("model", "")),
            dictionary=str(own.get("dictionary", about.get("scan") or "")),
            targets=tuple(targets),
            n_nodes=len(own.get("kinds", nodes)),
            n_edges=len(data["links"]),
            beats_controls=own.get("measures", {}).get("beats_controls"),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found = f"It lacks what a graph has: {type(error).__name__} {str(error)[:60]}."
        raise BadArtefact(f"'{path}' could not be read as an attribution graph.", found, "Export it again.") from error
