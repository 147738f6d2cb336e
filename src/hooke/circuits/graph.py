"""An attribution graph of one prompt: nodes, signed edges, and the account that closes over them.

Edges are a matrix whose rows are the nodes with incoming edges (features that were expanded, then the targets) and
whose columns are all nodes. For every row

    Σ edges + hidden = value        the node's pre-activation, or the target's logit

with biases as the node "constant" and what was not taken up in nodes of kind "rest" (or in `hidden`, for edges that
were left out of a file). Influence and scores: `scores.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from hooke.errors import BadRequest, did_you_mean
from hooke.findings import Finding

Kind = Literal["feature", "logit", "error", "rest", "token", "constant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One node."""

    kind: Kind
    """feature; logit (a target); error of a dictionary; rest: features not taken up; token; constant: all biases."""
    layer: int | None = None
    """Layer of a feature, an error or a rest."""
    position: int | None = None
    """Token position; None for the constant."""
    index: int | None = None
    """Number of the feature in its layer's dictionary, or the token."""
    other: int | None = None
    """Of a target that is a difference: the token whose logit is taken off."""
    name: str = ""
    """A token's or target's text; a feature's label where one was given."""
    activation: float | None = None
    """Of a feature."""
    value: float | None = None
    """What the incoming edges of a row sum to: a feature's pre-activation or a target's logit."""
    weight: float = 0.0
    """Of a target: its share in the influence, e.g. its probability."""
    relevance: float | None = None
    """What the first target owes to the node over all paths, by the rule that conserves."""
    effect: float | None = None
    """What the first target is predicted to lose when the node is removed: the model's own derivative."""
    frozen_effect: float | None = None
    """The same by the derivative of the frozen model, in which attention and norms do not answer."""

    @property
    def id(self) -> str:
        """A name that is the node's alone in its graph."""
        if self.kind == "feature":
            return f"{self.layer}/{self.index}@{self.position}"
        if self.kind in ("error", "rest"):
            return f"{self.kind}.{self.layer}@{self.position}"
        if self.kind == "token":
            return f"token@{self.position}"
        if self.kind == "constant":
            return "constant"
        minus = "" if self.other is None else f"-{self.other}"
        return f"logit/{self.name if self.index is None else self.index}{minus}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceSettings:
    """How a graph was made; scores are comparable between graphs with equal settings only."""

    max_nodes: int = 1000
    """Features that get rows of their own."""
    candidates: int = 8000
    """Neurons that are told apart as sources; the others are the rest."""
    logit_mass: float = 0.95
    """Probability that the targets reach together, where none were named."""
    max_logits: int = 10
    """At most this many targets, where none were named."""
    batch: int = 256
    """Rows of one sweep."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """An attribution graph."""

    prompt: str
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    """Text of each token."""
    model: str
    dictionary: str
    """What the features are of: a set of transcoders, or 'neurons'."""
    n_layers: int
    nodes: tuple[Node, ...]
    """Nodes with rows first: features, then logits."""
    weights: Float[ndarray, "row node"]
    """Signed edges: what the column's node gives the row's node."""
    hidden: Float[ndarray, " row"]
    """Sum of the row's edges that are not in `weights`."""
    settings: TraceSettings = TraceSettings()
    measures: dict[str, Any] = field(default_factory=dict)
    """Scores, the conservation check, counts, seconds and memory."""
    findings: tuple[Finding, ...] = ()
    """What `validate` measured on the model itself."""
    supernodes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, ids of the nodes in it) of each group that a person made."""
    pinned: tuple[str, ...] = ()
    """Ids of nodes that a person put aside."""

    @property
    def n_rows(self) -> int:
        """Number of nodes with incoming edges."""
        return len(self.weights)

    @property
    def n_edges(self) -> int:
        """Number of edges that are not zero."""
        return int(np.count_nonzero(self.weights))

    @property
    def targets(self) -> tuple[int, ...]:
        """Numbers of the target nodes, the first target first."""
        return tuple(number for number, node in enumerate(self.nodes) if node.kind == "logit")

    def numbers(self, *kinds: Kind) -> list[int]:
        """Numbers of the nodes of these kinds."""
        return [number for number, node in enumerate(self.nodes) if node.kind in kinds]

    def number(self, id: str) -> int:
        """Number of the node of an id.

        Raises:
            BadRequest: there is none.
        """
        for number, node in enumerate(self.nodes):
            if node.id == id:
                return number
        ids = [node.id for node in self.nodes]
        raise BadRequest(
            f"The graph has no node '{id}'.",
            did_you_mean(id, ids) or f"It has {len(ids)} nodes.",
            "See `hooke graph show`.",
        )

    def residual_errors(self) -> Float[ndarray, " row"]:
        """|Σ edges + hidden - value| / |value| of every row: how far the account is from closing."""
        values = np.array([self.nodes[row].value or 0.0 for row in range(self.n_rows)])
        sums = self.weights.sum(1, dtype=np.float64) + self.hidden
        # Values near 0 are sums that cancel; they are measured against what cancels.
        scale = np.maximum(np.abs(values), 1e-2 * np.abs(self.weights).sum(1))
        return np.abs(sums - values) / np.maximum(scale, 1e-12)

    def without(self, removed: Sequence[int]) -> "Graph":
        """The graph without these nodes; what they gave others goes to the error or rest of their place.

        Raises:
            BadRequest: a target would be removed.
        """
        gone = set(removed)
        if gone & set(self.targets):
            raise BadRequest("A target cannot be removed from its graph.", "", "Trace again with other targets.")
        nodes = self.nodes
        kept = [number for number in range(len(nodes)) if number not in gone]
        homes = {(nodes[at].layer, nodes[at].position): at for at in kept if nodes[at].kind in ("error", "rest")}
        moved: dict[tuple[int | None, int | None], list[int]] = {}
        for number in sorted(gone):
            if nodes[number].kind == "feature":
                moved.setdefault((nodes[number].layer, nodes[number].position), []).append(number)
        left = self.only(kept)
        columns = {number: column for column, number in enumerate(kept)}
        rows = [number for number in kept if number < self.n_rows]
        new = [place for place in moved if place not in homes]
        weights = np.concatenate([left.weights, np.zeros((len(rows), len(new)), self.weights.dtype)], axis=1)
        at_new = {place: len(kept) + at for at, place in enumerate(new)}
        hidden = left.hidden.astype(np.float64)
        for place, members in moved.items():
            given = self.weights[np.ix_(rows, members)].sum(1, dtype=np.float64)
            weights[:, columns[homes[place]] if place in homes else at_new[place]] += given.astype(weights.dtype)
            hidden -= given
        rests = tuple(Node(kind="rest", layer=layer, position=position) for layer, position in new)
        return replace(left, nodes=(*left.nodes, *rests), weights=weights, hidden=hidden)

    def only(self, kept: Sequence[int] | Int[ndarray, " kept"]) -> "Graph":
        """The graph of these nodes, in their order; what the others gave is in `hidden`."""
        numbers = np.asarray(kept, dtype=np.int64)
        rows = numbers[numbers < self.n_rows]
        nodes = tuple(self.nodes[number] for number in numbers.tolist())
        ids = {node.id for node in nodes}
        lost = np.setdiff1d(np.arange(len(self.nodes)), numbers)
        groups = ((name, tuple(id for id in members if id in ids)) for name, members in self.supernodes)
        return replace(
            self,
            nodes=nodes,
            weights=self.weights[np.ix_(rows, numbers)],
            hidden=(self.hidden + self.weights[:, lost].sum(1, dtype=np.float64))[rows],
            pinned=tuple(id for id in self.pinned if id in ids),
            supernodes=tuple((name, members) for name, members in groups if members),
        )

    def with_weights(self, weights: Float[ndarray, "row node"]) -> "Graph":
        """The graph with other edges; the difference is in `hidden`, so that the account still closes."""
        return replace(self, weights=weights, hidden=self.hidden + (self.weights - weights).sum(1, dtype=np.float64))
