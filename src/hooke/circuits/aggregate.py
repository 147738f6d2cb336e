"""Many graphs read as one: which nodes and edges return over a set of prompts, and what sets two sets apart.

Graphs of different prompts share features, not positions. A node is known by its feature (its positions summed), by its
feature and its place counted from the end of the prompt, by its feature and the part that its token plays, or by its
role alone: layer and part, over all features there, with those that were not taken up. Its size is its share of the
graph's influence over all nodes of its kind; an edge's size is what it passes of the target's weight. Differences are
compared with the largest difference that shuffling the graphs between the sets makes, so that many features do not find
one by luck.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.graph import Graph, Node
from hooke.circuits.scores import influence, shares, weights
from hooke.errors import BadRequest
from hooke.findings import Interval, bootstrap_interval

Place = Literal["feature", "end", "part", "role"]
Parts = Sequence[Sequence[str]]
"""For each graph, which part each of its tokens plays, see `places.py`; needed for the places "part" and "role"."""
Key = tuple[str, ...]
"""(node,) or (source, target), by names that mean the same in every graph of a set."""

N_SHUFFLES = 500
_EDGES = 3000
"""Of each graph, so many of its strongest edges are compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurring:
    """A node or an edge over a set of graphs."""

    key: Key
    """Its name, or those of its source and target."""
    label: str
    """Label or token of the node (of the source, for an edge), where one is known."""
    frequency: float
    """Share of the graphs that have it."""
    mean: float
    """Mean size over all graphs; 0 where it is absent."""
    interval: Interval
    """95 % interval of the mean, over graphs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """How a node or an edge differs between two sets."""

    key: Key
    label: str
    first: float
    """Mean size in the first set."""
    second: float
    """Mean size in the second set."""
    frequencies: tuple[float, float]
    """Share of each set's graphs that have it."""
    interval: Interval
    """95 % interval of first - second, over graphs."""
    chance: float
    """How often shuffled sets have any difference as large; below .05 it is not luck."""


def aggregate(
    graphs: Sequence[Graph], *, edges: bool = False, place: Place = "feature", parts: Parts = (), seed: int = 0
) -> list[Recurring]:
    """Nodes (or edges) of a set of graphs, the largest mean first.

    Raises:
        BadRequest: see `key_sizes`.
    """
    keys, labels, sizes = key_sizes(graphs, edges=edges, place=place, parts=parts)
    generator = np.random.default_rng(seed)
    return [
        Recurring(
            key=keys[at],
            label=labels[keys[at]],
            frequency=float((sizes[:, at] > 0).mean()),
            mean=float(sizes[:, at].mean()),
            interval=bootstrap_interval(sizes[:, at], generator=generator),
        )
        for at in np.argsort(-sizes.mean(0), kind="stable").tolist()
    ]


def difference(
    first: Sequence[Graph],
    second: Sequence[Graph],
    *,
    edges: bool = False,
    place: Place = "feature",
    parts: Parts = (),
    seed: int = 0,
) -> list[Difference]:
    """Nodes (or edges) of two sets of graphs, the largest difference first; parts are those of both sets in a row.

    Raises:
        BadRequest: a set has fewer than two graphs; see `key_sizes`.
    """
    if min(len(first), len(second)) < 2:
        raise BadRequest("Two sets of one graph cannot be told from luck.", "", "Give at least two on each side.")
    keys, labels, sizes = key_sizes([*first, *second], edges=edges, place=place, parts=parts)
    generator, n = np.random.default_rng(seed), len(first)
    means = sizes[:n].mean(0), sizes[n:].mean(0)
    gap = means[0] - means[1]
    largest = largest_by_luck(sizes, n, generator)
    draws = [generator.integers(0, len(part), (N_SHUFFLES, len(part))) for part in (first, second)]
    found = []
    for at in np.argsort(-np.abs(gap), kind="stable").tolist():
        one, other = sizes[:n, at], sizes[n:, at]
        low, high = np.percentile(one[draws[0]].mean(1) - other[draws[1]].mean(1), [2.5, 97.5])
        found.append(
            Difference(
                key=keys[at],
                label=labels[keys[at]],
                first=float(means[0][at]),
                second=float(means[1][at]),
                frequencies=(float((one > 0).mean()), float((other > 0).mean())),
                interval=(float(low), float(high)),
                chance=float((1 + (largest >= abs(gap[at])).sum()) / (1 + N_SHUFFLES)),
            )
        )
    return found


def largest_by_luck(
    sizes: Float[ndarray, "graph key"], n: int, generator: np.random.Generator
) -> Float[ndarray, " shuffle"]:
    """The largest difference of any key when n of the graphs, drawn at random, are set against the others."""
    largest = np.empty(N_SHUFFLES)
    for number in range(N_SHUFFLES):
        mixed = generator.permutation(len(sizes))
        largest[number] = np.abs(sizes[mixed[:n]].mean(0) - sizes[mixed[n:]].mean(0)).max(initial=0)
    return largest


def key_sizes(
    graphs: Sequence[Graph], *, edges: bool = False, place: Place = "feature", parts: Parts = ()
) -> tuple[list[Key], dict[Key, str], Float[ndarray, "graph key"]]:
    """Every key of the set, a label for each, and its size in each graph.

    Raises:
        BadRequest: there is no graph; the graphs are of different models or dictionaries; or parts are asked for and
            are not given for every token of every graph.
    """
    if not graphs:
        raise BadRequest("There are no graphs.", "", "Name at least one; see `hooke graph list`.")
    kinds = {(graph.model, graph.dictionary) for graph in graphs}
    if len(kinds) > 1:
        found = "; ".join(f"{model}, {dictionary}" for model, dictionary in sorted(kinds))
        raise BadRequest("Graphs of different models or dictionaries share no features.", found, "Give graphs of one.")
    if place in ("part", "role") and [len(one) for one in parts] != [len(graph.tokens) for graph in graphs]:
        raise BadRequest(
            "Not every token of these graphs has a part.", f"Parts of {len(parts)} of {len(graphs)}.", "Give them all."
        )
    sizes: list[dict[Key, float]] = []
    labels: dict[Key, str] = {}
    for number, graph in enumerate(graphs):
        names = [node_name(graph, node, place, parts[number] if parts else ()) for node in graph.nodes]
        here = _edge_sizes(graph, names) if edges else _node_sizes(graph, names, by_role=place == "role")
        for name, node in zip(names, graph.nodes, strict=True):
            if node.name and node.kind == "feature" and place != "role":
                labels.setdefault((name,), node.name)
        sizes.append(here)
    keys = sorted({key for here in sizes for key in here})
    table = np.array([[here.get(key, 0.0) for key in keys] for here in sizes])
    return keys, {key: labels.get(key[:1], "") for key in keys}, table


def node_name(graph: Graph, node: Node, place: Place, parts: Sequence[str] = ()) -> str:
    """A name that means the same in every graph: of the feature alone, or with the token's place or part.

    Places count from the end of the prompt, -1 is the last. Parts are those of the graph's tokens.
    """
    if node.kind == "logit":
        return f"logit '{node.name}'"
    name = f"{node.layer}/{node.index}" if node.kind == "feature" else node.kind
    if node.kind == "token":
        name = "token" if place == "role" else f"token '{node.name}'"
    if node.kind in ("error", "rest"):
        name = f"{node.kind}.{node.layer}"
    if place == "role" and node.kind in ("feature", "rest"):
        name = f"layer {node.layer}"
    if node.position is None or place == "feature":
        return name
    return f"{name}@{node.position - len(graph.tokens) if place == 'end' else parts[node.position]}"


def _node_sizes(graph: Graph, names: Sequence[str], *, by_role: bool) -> dict[Key, float]:
    found: dict[Key, float] = defaultdict(float)
    reached = influence(graph)
    for kinds in (("feature", "rest") if by_role else ("feature",), ("token",)):
        kind = np.array([node.kind in kinds for node in graph.nodes])
        whole = max(float(reached[kind].sum()), 1e-30)
        for number in kind.nonzero()[0].tolist():
            if reached[number] > 0:
                found[(names[number],)] += float(reached[number]) / whole
    return found


def _edge_sizes(graph: Graph, names: Sequence[str]) -> dict[Key, float]:
    found: dict[Key, float] = defaultdict(float)
    passed = shares(graph) * (influence(graph) + weights(graph))[: graph.n_rows, None]
    passed[:, graph.numbers("error", "rest", "constant")] = 0
    flat = passed.ravel()
    strongest = np.argpartition(-flat, min(_EDGES, flat.size) - 1)[:_EDGES]
    for number in map(int, strongest):
        row, column = divmod(number, len(graph.nodes))
        if flat[number] > 0:
            found[(names[column], names[row])] += float(flat[number])
    return found
