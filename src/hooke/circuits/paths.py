"""The strongest paths of a graph: by which ways a target's input comes from a token or a feature.

A path is as strong as the product of its edges' shares (`scores.shares`), so that all paths from everything that has no
inputs sum to 1, and the paths from one node to its influence on the target. Found best first with the exact strength of
the best continuation as the bound; the totals are one pass over the edges each.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.circuits.graph import Graph
from hooke.circuits.scores import rows_downwards, shares
from hooke.errors import BadRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """One way from a source to a target."""

    nodes: tuple[int, ...]
    """Numbers of its nodes, the source first."""
    strength: float
    """Product of its edges' shares."""
    share: float
    """Its strength over that of all paths that were asked for."""
    sign: int
    """1 or -1: the product of its edges' signs."""


_Way = tuple[tuple[int, ...], float]
"""Numbers of nodes from the target down, and their strength."""


def top_paths(
    graph: Graph,
    source: int | None,
    target: int,
    n: int = 10,
    through: Sequence[int] = (),
    avoiding: Sequence[int] = (),
) -> list[Path]:
    """The n strongest paths from a node, or from whatever has no inputs, to a target or feature; strongest first.

    Args:
        through: nodes that every path passes.
        avoiding: nodes that no path passes.

    Raises:
        BadRequest: a node is asked for and avoided, the target has no inputs, or nothing is asked for (n < 1).
    """
    if n < 1:
        raise BadRequest("No paths were asked for.", f"n is {n}.", "Give 1 or more.")
    if target >= graph.n_rows:
        raise BadRequest(f"'{graph.nodes[target].id}' has no inputs.", "", "Give a target or a feature with inputs.")
    wanted = {target, *through} | (set() if source is None else {source})
    if wanted & set(avoiding):
        both = graph.nodes[min(wanted & set(avoiding))].id
        raise BadRequest(f"'{both}' cannot be on a path and avoided.", "", "Ask for one of the two.")
    parts = shares(graph)
    parts[:, list(avoiding)] = 0
    height = {number: height for height, rows in enumerate(rows_downwards(graph)) for number in rows.tolist()}
    # From the target downwards: nodes without inputs last.
    stops = [target, *sorted(set(through) - {target, source}, key=lambda node: height.get(node, len(height)))]
    legs = [(upper, _only(lower, graph)) for upper, lower in pairwise(stops)]
    legs.append((stops[-1], _leaves(graph) if source is None else _only(source, graph)))
    ahead = [_ahead(graph, parts, ends, np.maximum) for _, ends in legs]
    total = float(np.prod([_ahead(graph, parts, ends, np.add)[start] for start, ends in legs]))
    found: list[_Way] = [((target,), 1.0)]
    for (start, ends), best in zip(legs, ahead, strict=True):
        tails = _strongest(parts, start, ends, best, n)
        joined: list[_Way] = [((*head, *tail[1:]), strength * more) for head, strength in found for tail, more in tails]
        found = sorted(joined, key=lambda one: -one[1])[:n]
    return [
        Path(nodes=nodes[::-1], strength=strength, share=strength / total, sign=_sign(graph, nodes[::-1]))
        for nodes, strength in found
    ]


def unexplained_ends(graph: Graph, *asked: str | None) -> list[int]:
    """Numbers of the errors and rests, but for those that are named by their ids: avoid these for paths from tokens."""
    return [number for number in graph.numbers("error", "rest") if graph.nodes[number].id not in asked]


def _only(node: int, graph: Graph) -> Bool[ndarray, " node"]:
    return np.arange(len(graph.nodes)) == node


def _leaves(graph: Graph) -> Bool[ndarray, " node"]:
    return np.arange(len(graph.nodes)) >= graph.n_rows


def _ahead(
    graph: Graph, parts: Float[ndarray, "row node"], ends: Bool[ndarray, " node"], combined: np.ufunc
) -> Float[ndarray, " node"]:
    """From each node down to the ends: the strongest path's strength (maximum), or that of all paths (add)."""
    found = ends.astype(np.float64)
    for rows in list(rows_downwards(graph))[::-1]:
        inner = rows[~ends[rows]]
        found[inner] = combined.reduce(parts[inner] * found, axis=1)
    return found


def _strongest(
    parts: Float[ndarray, "row node"],
    start: int,
    ends: Bool[ndarray, " node"],
    ahead: Float[ndarray, " node"],
    n: int,
) -> list[_Way]:
    """The n strongest ways from the start down to an end."""
    found: list[_Way] = []
    waiting: list[tuple[float, tuple[int, ...], float]] = []
    if ahead[start] > 0 and not ends[start]:
        waiting = [(-float(ahead[start]), (start,), 1.0)]
    while waiting and len(found) < n:
        _, nodes, strength = heapq.heappop(waiting)
        last = nodes[-1]
        if ends[last]:
            found.append((nodes, strength))
            continue
        bounds = strength * parts[last] * ahead
        # No more than n ways end here, so no more than the n best continuations matter.
        for child in np.argpartition(-bounds, min(n, len(bounds)) - 1)[:n].tolist():
            if bounds[child] > 0:
                heapq.heappush(waiting, (-float(bounds[child]), (*nodes, child), strength * float(parts[last, child])))
    return found


def _sign(graph: Graph, nodes: Sequence[int]) -> int:
    return int(np.prod([np.sign(graph.weights[upper, lower]) for lower, upper in pairwise(nodes)]))


def described(graph: Graph, path: Path) -> str:
    """A path in words made of labels and tokens, e.g. `' Osaka' (8) → 11/402 "Japan" at ' is' (12) → ' Japanese'`."""
    return " → ".join(_words(graph, number) for number in path.nodes)


def _words(graph: Graph, number: int) -> str:
    node = graph.nodes[number]
    if node.kind == "logit":
        return f"'{node.name}'"
    token = "" if node.position is None else f"'{graph.tokens[node.position]}' ({node.position})"
    if node.kind == "token":
        return token
    name = f"{node.layer}/{node.index}" if node.kind == "feature" else f"{node.kind} of layer {node.layer}"
    label = f' "{node.name}"' if node.name else ""
    return f"{name}{label} at {token}"
