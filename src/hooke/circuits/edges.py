"""The graph of a model's components, and the names of its nodes and edges: the field's own, as in EAP-IG's files.

    nodes     input, a3.h7 (a head), m3 (an MLP), logits
    edges     input->a0.h1<q>, a0.h1->m0, m3->a5.h2<v>, m29->logits

Everything that a node writes stays in the stream, so that every node behind it reads it: an edge is one sender's part
of what one receiver reads. A head reads three times, for its query, its keys and its values. Where several heads share
keys and values, each head is taken to read its own (Hanna et al. 2024, "Have Faith in Faithfulness").
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool
from torch import Tensor

from hooke.errors import BadRequest, UnknownName, did_you_mean

INPUT, LOGITS = "input", "logits"
_EDGE = re.compile(r"\s*([^<>\s]+)\s*->\s*([^<>\s]+(?:<[qkv]>)?)\s*")


@dataclass(frozen=True)
class EdgeGraph:
    """Every node and edge of a model of so many layers and heads."""

    n_layers: int
    n_heads: int
    is_parallel: bool = False
    """Attention and MLP of a layer read the same stream."""

    @cached_property
    def senders(self) -> tuple[str, ...]:
        """In the order of the forward pass."""
        layers = ([*(f"a{at}.h{head}" for head in range(self.n_heads)), f"m{at}"] for at in range(self.n_layers))
        return (INPUT, *(name for layer in layers for name in layer))

    @cached_property
    def receivers(self) -> tuple[str, ...]:
        """In the order of the forward pass: of a layer all queries, all keys, all values, then the MLP."""
        found = []
        for layer in range(self.n_layers):
            found += [f"a{layer}.h{head}<{read}>" for read in "qkv" for head in range(self.n_heads)] + [f"m{layer}"]
        return (*found, LOGITS)

    def heads(self, layer: int) -> slice:
        """Where a layer's heads stand among the senders."""
        start = 1 + layer * (self.n_heads + 1)
        return slice(start, start + self.n_heads)

    def mlp(self, layer: int) -> int:
        """Where a layer's MLP stands among the senders."""
        return (layer + 1) * (self.n_heads + 1)

    def reads(self, layer: int) -> slice:
        """Where the queries, keys and values of a layer stand among the receivers; its MLP stands behind them."""
        start = layer * (3 * self.n_heads + 1)
        return slice(start, start + 3 * self.n_heads)

    def n_before(self, receiver: int) -> int:
        """How many senders stand before a receiver."""
        layer, place = divmod(receiver, 3 * self.n_heads + 1)
        is_mlp = place == 3 * self.n_heads and layer < self.n_layers and not self.is_parallel
        return 1 + layer * (self.n_heads + 1) + (self.n_heads if is_mlp else 0)

    @cached_property
    def exists(self) -> Bool[Tensor, "receiver sender"]:
        """Which pairs of a receiver and a sender are edges."""
        before = torch.tensor([self.n_before(at) for at in range(len(self.receivers))])
        return torch.arange(len(self.senders)) < before[:, None]

    @property
    def n_edges(self) -> int:
        """How many edges there are."""
        return int(self.exists.sum())

    def name(self, receiver: int, sender: int) -> str:
        """An edge's name."""
        return f"{self.senders[sender]}->{self.receivers[receiver]}"

    @cached_property
    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        return {name: at for at, name in enumerate(self.senders)}, {name: at for at, name in enumerate(self.receivers)}

    def places(self, edge: str) -> tuple[int, int]:
        """Receiver and sender of the edge of this name.

        Raises:
            UnknownName: there is no such node or edge.
        """
        match = _EDGE.fullmatch(edge)
        if match is None:
            raise UnknownName(f"No edge '{edge}'.", "", "Edges are written like 'a0.h1->m0' or 'm0->a1.h2<v>'.")
        sender, receiver = match.groups()
        places = self._places
        for kind, name, known in (("sender", sender, places[0]), ("receiver", receiver, places[1])):
            if name not in known:
                raise UnknownName(
                    f"No {kind} '{name}'.",
                    did_you_mean(name, known),
                    f"There are {self.n_layers} layers of {self.n_heads} heads; a head reads by <q>, <k> and <v>.",
                )
        at = places[1][receiver], places[0][sender]
        if not self.exists[at]:
            raise UnknownName(f"No edge '{edge}'.", f"{sender} does not come before {receiver}.", "")
        return at

    def mask(self, edges: Iterable[str]) -> Bool[Tensor, "receiver sender"]:
        """True at these edges.

        Raises:
            UnknownName: there is no such edge.
        """
        found = torch.zeros_like(self.exists)
        for edge in edges:
            found[self.places(edge)] = True
        return found

    def names(self, mask: Bool[Tensor, "receiver sender"]) -> list[str]:
        """The edges of a mask."""
        return [self.name(int(receiver), int(sender)) for receiver, sender in mask.nonzero()]

    def node_of(self, receiver: int) -> int | None:
        """Which sender a receiver is an input of; None for the logits."""
        layer, place = divmod(receiver, 3 * self.n_heads + 1)
        if layer == self.n_layers:
            return None
        return self.mlp(layer) if place == 3 * self.n_heads else self.heads(layer).start + place % self.n_heads

    def connected(self, mask: Bool[Tensor, "receiver sender"]) -> Bool[Tensor, "receiver sender"]:
        """The edges of a mask that lie on a path from the input to the logits within it."""
        owners = [self.node_of(at) for at in range(len(self.receivers))]
        reached = {0}
        for receiver, owner in enumerate(owners):
            if owner is not None and any(int(sender) in reached for sender in mask[receiver].nonzero()):
                reached.add(owner)
        from_input = torch.tensor([at in reached for at in range(len(self.senders))])
        kept = mask & from_input
        used: set[int] = set()
        found = torch.zeros_like(mask)
        for receiver in reversed(range(len(self.receivers))):
            if owners[receiver] is None or owners[receiver] in used:
                found[receiver] = kept[receiver]
                used |= {int(sender) for sender in kept[receiver].nonzero()}
        return found

    def nodes(self, mask: Bool[Tensor, "receiver sender"]) -> list[str]:
        """The senders at either end of the edges of a mask."""
        used = {int(sender) for sender in mask.any(0).nonzero()}
        owners = (self.node_of(int(receiver)) for receiver in mask.any(1).nonzero())
        used |= {owner for owner in owners if owner is not None}
        return [self.senders[at] for at in sorted(used)]


def require_same(graph: EdgeGraph, other: EdgeGraph) -> None:
    """Raises:
    BadRequest: the graphs are of models of different shapes.
    """
    if graph != other:
        raise BadRequest(
            "The circuit is of another model.",
            f"It has {other.n_layers} layers of {other.n_heads} heads, the model {graph.n_layers} of {graph.n_heads}.",
            "Give the model that it was found in.",
        )
