"""Whether the tracer finds what was planted in a specimen, and nothing of it in the twin and the random control.

The circuit that a graph claims: the neurons through which at least a tenth of the target's influence passes, and the
edges, those from tokens and to the target too, that pass as much. The rule knows nothing of the specimen, and is the
same for all three models.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hooke.circuits.graph import Graph
from hooke.circuits.scores import influence, shares, weights
from hooke.circuits.trace import trace
from hooke.findings import Finding, bootstrap_interval
from hooke.specimens import Node, Specimen

Arm = Literal["specimen", "twin", "random"]
ARMS: tuple[Arm, ...] = ("specimen", "twin", "random")
PASSED = 0.1
"""Share of the target's influence that goes through what counts as found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What was found in one model, as means over the specimen's prompts with intervals."""

    arm: Arm
    node_recall: Finding
    """Share of the planted neurons that were found."""
    node_precision: Finding
    """Share of the found neurons that were planted; prompts with nothing found are left out."""
    edge_recall: Finding
    edge_precision: Finding


def recover(specimen: Specimen, arm: Arm = "specimen", *, seed: int = 0) -> Recovery:
    """Precision and recall of planted neurons and edges in the graphs of one of the specimen's three models."""
    model = specimen.models[arm]
    scores: dict[str, list[float]] = {name: [] for name in ("node_recall", "node_precision", "edge_recall")}
    scores["edge_precision"] = []
    for prompt, answer, planted in zip(specimen.prompts, specimen.answers, specimen.planted, strict=True):
        nodes, edges = claimed(trace(model, "neurons", prompt, targets=[answer]))
        for kind, found, truth in (("node", nodes, set(planted.neurons)), ("edge", edges, set(planted.edges))):
            hits = len(truth & found)
            scores[f"{kind}_recall"].append(hits / len(truth))
            if found:
                scores[f"{kind}_precision"].append(hits / len(found))
    findings = {name: _finding(name, values, arm, specimen.name, seed) for name, values in scores.items()}
    return Recovery(arm=arm, **findings)


def spread_thin(specimen: Specimen) -> int:
    """The most planted neurons that share one layer of a prompt, where not all of them can pass enough; else 0."""
    most = max(max(Counter(layer for layer, _, _ in one.neurons).values()) for one in specimen.planted)
    return most if most * PASSED > 1 else 0


def claimed(graph: Graph) -> tuple[set[tuple[int, int, int]], set[tuple[Node, Node]]]:
    """The neurons and the edges of the circuit that a graph claims, written as a specimen's are."""
    arriving = influence(graph) + weights(graph)
    whole = float(weights(graph).sum())
    flow = shares(graph) * arriving[: graph.n_rows, None] / whole
    names = [_name(graph, number) for number in range(len(graph.nodes))]
    passed = zip(names, arriving / whole, strict=True)
    nodes = {name for name, share in passed if name is not None and len(name) == 3 and share >= PASSED}
    edges = set()
    for row, column in np.argwhere(flow >= PASSED):
        source, target = names[column], names[row]
        if source is not None and target is not None:
            edges.add((source, target))
    return nodes, edges


def _name(graph: Graph, number: int) -> Node | None:
    node = graph.nodes[number]
    if node.kind == "feature" and node.layer is not None and node.index is not None and node.position is not None:
        return (node.layer, node.index, node.position)
    if node.kind == "token" and node.position is not None:
        return ("token", node.position)
    if node.kind == "logit" and node.index is not None:
        return ("logit", node.index)
    return None


def _finding(name: str, values: list[float], arm: Arm, specimen: str, seed: int) -> Finding:
    kind, _, measure = name.replace("node", "neuron").partition("_")
    return Finding(
        claim=f"{measure.capitalize()} of the planted {kind}s in the {arm} of {specimen}",
        value=float(np.mean(values)) if values else float("nan"),
        interval=bootstrap_interval(values, generator=np.random.default_rng(seed)),
        n=len(values),
        method=f"found: what passes at least {PASSED:.0%} of the answer's influence in a neuron graph",
        seed=seed,
    )
