"""Groups of nodes that a person reads as one: made by hand, suggested at most, with the edges between them.

No automatic grouping is known to be adequate, so suggestions say why they were made and nothing takes them by itself.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.graph import Graph, Node
from hooke.circuits.scores import influence, shares, weights
from hooke.errors import BadRequest, did_you_mean

ALIKE = 0.9
"""Cosine of two nodes' inputs and outputs above which they are suggested as one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """Nodes that might be one, and why."""

    name: str
    ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The graph between groups: what share of each group's input comes from each other."""

    names: tuple[str, ...]
    """Supernodes, then tokens and targets that are in none."""
    members: tuple[tuple[int, ...], ...]
    """Numbers of each group's nodes."""
    shares: Float[ndarray, "group group"]
    """[target, source]: sums to at most 1 over sources; the rest comes from nodes in no group."""
    influence: Float[ndarray, " group"]
    """Influence on the targets, their own weight included."""


def group(graph: Graph, name: str, ids: Sequence[str]) -> Graph:
    """The graph with a supernode; a node leaves the group that it was in, and an old group of the name is replaced.

    Raises:
        BadRequest: no name, no node, or an id that the graph does not have.
    """
    if not name.strip() or not ids:
        raise BadRequest("A group needs a name and nodes.", f"Given: '{name}', {len(ids)} nodes.", "Give both.")
    taken = {graph.nodes[graph.number(id)].id for id in ids}
    others = [
        (other, tuple(id for id in members if id not in taken)) for other, members in graph.supernodes if other != name
    ]
    kept = tuple((other, members) for other, members in others if members)
    return replace(graph, supernodes=(*kept, (name, tuple(dict.fromkeys(ids)))))


def ungroup(graph: Graph, name: str) -> Graph:
    """The graph without a supernode; its nodes stay.

    Raises:
        BadRequest: there is none of the name.
    """
    names = [other for other, _ in graph.supernodes]
    if name not in names:
        raise BadRequest(f"The graph has no group '{name}'.", f"It has: {', '.join(names) or 'none'}.", "Name one.")
    return replace(graph, supernodes=tuple(one for one in graph.supernodes if one[0] != name))


def named_nodes(graph: Graph, words: Sequence[str]) -> list[Node]:
    """The nodes that the words name, each once: names of groups, or ids.

    Raises:
        BadRequest: a word is neither.
    """
    groups, found = dict(graph.supernodes), {node.id: node for node in graph.nodes}
    unknown = next((word for word in words if word not in groups and word not in found), None)
    if unknown is not None:
        raise BadRequest(
            f"The graph of '{graph.prompt}' has no node or group '{unknown}'.",
            did_you_mean(unknown, [*groups, *found]) or f"Its groups: {', '.join(groups) or 'none'}.",
            "See `hooke graph show` and `hooke graph groups`.",
        )
    ids = dict.fromkeys(id for word in words for id in groups.get(word, (word,)))
    return [found[id] for id in ids]


def between(graph: Graph) -> Groups:
    """The graph of its supernodes, tokens and targets.

    A group's input is that of its nodes, each weighted with what of the target's weight arrives at it; for a group of
    one node this is its row of shares.
    """
    groups = [(name, tuple(graph.number(id) for id in ids)) for name, ids in graph.supernodes]
    grouped = {number for _, numbers in groups for number in numbers}
    alone = [number for number in graph.numbers("token", "logit") if number not in grouped]
    groups += [(graph.nodes[number].name or graph.nodes[number].id, (number,)) for number in alone]
    parts, here = shares(graph), influence(graph) + weights(graph)
    found = np.zeros((len(groups), len(groups)))
    for at, (_, targets) in enumerate(groups):
        rows = [number for number in targets if number < graph.n_rows]
        whole = here[rows].sum()
        if whole > 0:
            inputs = here[rows] @ parts[rows] / whole
            found[at] = [inputs[list(sources)].sum() for _, sources in groups]
    return Groups(
        names=tuple(name for name, _ in groups),
        members=tuple(numbers for _, numbers in groups),
        shares=found,
        influence=np.array([here[list(numbers)].sum() for _, numbers in groups]),
    )


def suggest(graph: Graph, *, at_most: int = 200) -> list[Suggestion]:
    """Groups that a reader may want, among the features of the largest influence: never made without being asked.

    A feature at several positions; features of one label; features of one position with like inputs and outputs.
    """
    grouped = {id for _, ids in graph.supernodes for id in ids}
    reached = influence(graph)
    features = [number for number in graph.numbers("feature") if graph.nodes[number].id not in grouped]
    features = sorted(features, key=lambda number: -reached[number])[:at_most]
    same: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number in features:
        node = graph.nodes[number]
        same[(f"{node.layer}/{node.index}", "the same feature")].append(number)
        if node.name:
            same[(node.name, "the same label")].append(number)
    found = [(name, numbers, reason) for (name, reason), numbers in same.items() if len(numbers) > 1]
    for position in sorted({graph.nodes[number].position or 0 for number in features}):
        here = [number for number in features if graph.nodes[number].position == position]
        found += [
            (f"at '{graph.tokens[position]}'", numbers, "like inputs and outputs") for numbers in _alike(graph, here)
        ]
    return [
        Suggestion(name=name, ids=tuple(graph.nodes[number].id for number in numbers), reason=reason)
        for name, numbers, reason in sorted(found, key=lambda one: -reached[one[1]].sum())
    ]


def _alike(graph: Graph, numbers: Sequence[int]) -> list[list[int]]:
    """Nodes whose profiles all have a cosine above `ALIKE` with the strongest of their group."""
    incoming = graph.weights[numbers]
    outgoing = graph.weights[:, numbers].T
    profiles = np.concatenate(
        [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-30) for part in (incoming, outgoing)], axis=1
    )
    cosine = profiles @ profiles.T / 2
    free, found = list(range(len(numbers))), []
    while free:
        first = free.pop(0)
        members = [first, *(other for other in free if cosine[first, other] > ALIKE)]
        free = [other for other in free if other not in members]
        if len(members) > 1:
            found.append([numbers[member] for member in members])
    return found
