"""A circuit that a set of graphs has in common, as a subgraph of a few named groups.

What stands before the first changed token is the same on both prompts of a pair and cannot carry what they differ in,
so that it is left out, however much influence it has. Of the rest the circuit has the features that return: the fewest,
each at its part of the prompt, that hold four fifths of the influence there on average, of those that are in at least
two graphs, and no more than 48. Names are built by rule. A group is what stands at one part in one stretch of layers:
the first third before the layer in which the answer is handed to the last token, the rest before it, and that layer
with all behind it. A group reads and feeds what most of its input comes from and what takes most from it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hooke.circuits.aggregate import aggregate
from hooke.circuits.graph import Graph
from hooke.circuits.places import PARTS
from hooke.circuits.prune import NODE_SHARE
from hooke.circuits.scores import influence
from hooke.circuits.supernodes import between
from hooke.errors import HookeError
from hooke.findings import Estimate, estimate
from hooke.studies.graph_sets import GraphSet

N_FEATURES = 48
_TWICE = 2
_SAID = {
    "before": "before the change", "first changed": "at the first changed token", "between": "between the changes",
    "last changed": "at the changed token", "next": "at the token after it", "after": "at later tokens",
    "last token": "at the last token",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A feature of a circuit, at a part of the prompt."""

    layer: int
    index: int
    """A neuron of the layer; below zero it is the number of neurons and its own."""
    part: str
    share: float
    """Mean share of the neurons' influence over the graphs that it was found in."""
    frequency: float
    """Share of these graphs that have it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Features that stand at one part of the prompt in one stretch of layers."""

    name: str
    members: tuple[Member, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """What share of a group's input comes from another one."""

    source: str
    target: str
    share: Estimate
    """Mean over graphs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedCircuit:
    """A subgraph of named groups."""

    groups: tuple[Group, ...]
    """From the first layers to the last."""
    links: tuple[Link, ...]
    """The strongest first; from groups and tokens to groups and the answer."""

    @property
    def members(self) -> tuple[Member, ...]:
        """All features."""
        return tuple(one for group in self.groups for one in group.members)

    def reads(self, name: str) -> str:
        """The other group, or the text, that most of a group's input comes from, among those with names."""
        return next((link.source for link in self.links if link.target == name != link.source), "")

    def feeds(self, name: str) -> str:
        """The other group, or the answer, that takes the largest share of its input from it."""
        return next((link.target for link in self.links if link.source == name != link.target), "")


def named_circuit(graphs: GraphSet, handed_over: int, *, seed: int = 0) -> NamedCircuit:
    """The circuit of the features that return in these graphs.

    Raises:
        HookeError: no feature from the change on is in two of the graphs.
    """
    members = _returning(graphs, seed)
    if not members:
        raise HookeError(
            "These graphs have no circuit in common.",
            f"No feature from the first change on is in two of the {len(graphs)}.",
            "Give prompts that are more alike, or trace with more nodes.",
        )
    stretches = (range(handed_over // 3), range(handed_over // 3, handed_over))
    sets: dict[tuple[int, str], list[Member]] = defaultdict(list)
    for one in members:
        stretch = next((at for at, layers in enumerate(stretches) if one.layer in layers), len(stretches))
        sets[stretch, one.part].append(one)
    order = sorted(sets, key=lambda key: (key[0], PARTS.index(key[1])))
    groups = tuple(Group(name=_name(key[1], sets[key]), members=tuple(sets[key])) for key in order)
    return NamedCircuit(groups=groups, links=_links(groups, graphs, seed))


def _returning(graphs: GraphSet, seed: int) -> list[Member]:
    found: list[Member] = []
    for one in aggregate(graphs.graphs, place="part", parts=graphs.parts, seed=seed):
        name, _, part = one.key[0].partition("@")
        layer, slash, index = name.partition("/")
        is_feature = slash and layer.isdigit() and index.isdigit()
        if is_feature and part != "before" and round(one.frequency * len(graphs)) >= _TWICE:
            found.append(Member(layer=int(layer), index=int(index), part=part, share=one.mean, frequency=one.frequency))
    sums = np.cumsum([0.0, *(one.share for one in found)])
    return found[: min(N_FEATURES, int(np.searchsorted(sums, NODE_SHARE * sums[-1])))]


def own_members(graph: Graph, parts: Sequence[str]) -> list[Member]:
    """The features of one graph with the largest influence, from the first change on."""
    reached = influence(graph)
    whole = max(float(reached[graph.numbers("feature")].sum()), 1e-30)
    found = []
    for number in sorted(graph.numbers("feature"), key=lambda number: -reached[number]):
        node = graph.nodes[number]
        part = parts[node.position or 0]
        if part != "before" and reached[number] > 0:
            share = float(reached[number]) / whole
            found.append(Member(layer=node.layer or 0, index=node.index or 0, part=part, share=share, frequency=1.0))
    # A neuron with rows at two tokens of a part is one member of it.
    return list({(one.layer, one.index, one.part): one for one in found[::-1]}.values())[::-1][:N_FEATURES]


def _name(part: str, members: Sequence[Member]) -> str:
    layers = sorted({one.layer for one in members})
    said = f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]}–{layers[-1]}"
    return f"{said} {_SAID[part]}"


def grouped(circuit_groups: Sequence[Group], graph: Graph, parts: Sequence[str]) -> Graph:
    """The graph with the circuit's groups, its tokens by part, and its target as supernodes."""
    group_of = {(one.layer, one.index, one.part): group.name for group in circuit_groups for one in group.members}
    found: dict[str, list[str]] = defaultdict(list)
    for node in graph.nodes:
        part = None if node.position is None else parts[node.position]
        name = group_of.get((node.layer or 0, node.index or 0, part or "")) if node.kind == "feature" else None
        if node.kind == "token" and part is not None:
            name = f"text {_SAID[part]}"
        if node.kind == "logit":
            name = "answer"
        if name is not None:
            found[name].append(node.id)
    return replace(graph, supernodes=tuple((name, tuple(ids)) for name, ids in found.items()))


def member_ids(groups: Sequence[Group], graph: Graph, parts: Sequence[str]) -> list[str]:
    """Ids of the circuit's features that a graph has."""
    names = {group.name for group in groups}
    return [id for name, ids in grouped(groups, graph, parts).supernodes if name in names for id in ids]


def _links(groups: Sequence[Group], graphs: GraphSet, seed: int) -> tuple[Link, ...]:
    shares: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * len(graphs))
    for number, (graph, parts) in enumerate(zip(graphs.graphs, graphs.parts, strict=True)):
        found = between(grouped(groups, graph, parts))
        for target, source in zip(*found.shares.nonzero(), strict=True):
            shares[found.names[source], found.names[target]][number] = float(found.shares[target, source])
    generator = np.random.default_rng(seed)
    links = [
        Link(source=source, target=target, share=estimate(values, generator=generator))
        for (source, target), values in shares.items()
    ]
    return tuple(sorted(links, key=lambda link: -link.share.value))
