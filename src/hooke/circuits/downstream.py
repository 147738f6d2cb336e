"""What ablating a feature does to features further on: foretold beside measured, by how many layers lie between.

Foretold by the model's own derivative, and by the frozen model over all paths; measured is the change in the model
itself with nothing frozen. Changes are counted in units of the reader's own activation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.basis import total_effects
from hooke.circuits.derivative import Reading, own_losses
from hooke.circuits.graph import Graph, Node
from hooke.circuits.intervene import feature_values
from hooke.circuits.neuron_basis import neuron_row, relevance
from hooke.circuits.reopened import Reopened, reopen
from hooke.circuits.scores import influence
from hooke.circuits.sweep import deepest_first
from hooke.dictionaries.replacement import Replacement
from hooke.models.model import Model
from hooke.sites import Site

N_READERS = 12
HOPS = 2
"""Layers that lie between a source and what is read, at least: nearer ones are direct edges."""
BANDS = ((2, 5), (6, 12), (13, 10**6))
"""Layers apart, from and to."""


@dataclass(frozen=True, kw_only=True)
class Downstream:
    """Changes of features that lie at least two layers behind the ablated ones."""

    sources: tuple[Node, ...]
    readers: tuple[Node, ...]
    predicted: Float[ndarray, "source reader"]
    """What the reader loses, over its own activation; NaN where it does not lie far enough behind the source."""
    frozen: Float[ndarray, "source reader"]
    """The same as the frozen model predicts it."""
    measured: Float[ndarray, "source reader"]

    def band(self, nearest: int, farthest: int) -> tuple[Float[ndarray, " pair"], ...]:
        """Predicted, by the frozen model, and measured changes of the pairs that are so many layers apart."""
        apart = np.array([[(to.layer or 0) - (at.layer or 0) for to in self.readers] for at in self.sources])
        apart = apart.reshape(self.predicted.shape)
        chosen = (apart >= nearest) & (apart <= farthest) & ~np.isnan(self.predicted)
        return self.predicted[chosen], self.frozen[chosen], self.measured[chosen]


def downstream(
    graph: Graph, model: Model, dictionary: Replacement | str, sources: Sequence[Node], *, n_readers: int = N_READERS
) -> Downstream:
    """What ablating each source does to the graph's most influential features behind them.

    Raises:
        BadRequest: see `target_values`.
    """
    with torch.no_grad():
        opened = reopen(graph, model, dictionary)
        readers = _readers(graph, sources, n_readers)
        none = np.zeros((len(sources), 0))
        predicted = _own(opened, sources, readers) if readers else none
        frozen = _frozen(opened, sources, readers) if readers else none
    values = feature_values(graph, model, dictionary, [(), *([(node, 0.0)] for node in sources)], readers)
    measured = (values[0] - values[1:]).double().numpy()
    base = np.array([node.activation or 0.0 for node in readers])
    far = np.array([[(to.layer or 0) - (at.layer or 0) >= HOPS for to in readers] for at in sources], dtype=bool)
    far = far.reshape(predicted.shape)
    return Downstream(
        sources=tuple(sources),
        readers=tuple(readers),
        predicted=np.where(far, predicted / base, np.nan),
        frozen=np.where(far, frozen / base, np.nan),
        measured=np.where(far, measured / base, np.nan),
    )


def _readers(graph: Graph, sources: Sequence[Node], n: int) -> list[Node]:
    """The most influential features of the graph, each of a layer of its own as long as there are layers."""
    reached, lowest = influence(graph), min(node.layer or 0 for node in sources)
    numbers = [
        number
        for number in sorted(graph.numbers("feature"), key=lambda number: -reached[number])
        if (graph.nodes[number].layer or 0) >= lowest + HOPS
    ]
    seen: dict[int | None, int] = {}
    rank = {}
    for place, number in enumerate(numbers):
        layer = graph.nodes[number].layer
        rank[number] = (seen.get(layer, 0), place)
        seen[layer] = seen.get(layer, 0) + 1
    return [graph.nodes[number] for number in sorted(numbers, key=rank.__getitem__)[:n]]


def _own(opened: Reopened, sources: Sequence[Node], readers: Sequence[Node]) -> Float[ndarray, "source reader"]:
    """What each reader loses with each source, by the model's own derivative."""
    losses = own_losses(opened.frozen, opened.basis, [_reading(opened, node) for node in readers])
    return np.asarray(losses[[opened.numbers[_place(node)] for node in sources]].cpu().double().numpy())


def _reading(opened: Reopened, node: Node) -> Reading:
    layer, position, index = _place(node)
    if opened.dictionary is None:
        neurons = opened.frozen.blocks[layer].neurons
        assert neurons is not None
        unit, sign = index % neurons.shape[-1], 1.0 if index < neurons.shape[-1] else -1.0
        return Reading(Site("neurons", layer), position, lambda hidden: sign * hidden[unit])
    row = opened.dictionary.encoder_rows(layer, torch.tensor([index]))[0].float().clone()
    opened.dictionary.release(layer)
    return Reading(opened.dictionary.reads(layer), position, lambda read: row @ read)


def _frozen(opened: Reopened, sources: Sequence[Node], readers: Sequence[Node]) -> Float[ndarray, "source reader"]:
    """What each reader loses with each source, over all paths of the frozen model."""
    found = np.zeros((len(sources), len(readers)))
    if opened.dictionary is not None:
        numbers = torch.tensor([opened.numbers[_place(node)] for node in readers], dtype=torch.int64)
        rows = opened.basis.inputs(numbers)
        order = deepest_first(rows)
        effects = total_effects(opened.frozen, opened.basis, rows.take(order)).cpu().double().numpy()
        found[:, order.cpu().numpy()] = effects[[opened.numbers[_place(node)] for node in sources]]
        return found
    one = opened.frozen.embed.new_ones(1)
    for column, node in enumerate(readers):
        layer, position, index = _place(node)
        row = neuron_row(opened.frozen, layer, position, index, "gradient")
        first = relevance(opened.frozen, row, one, "gradient").first
        for line, source in enumerate(sources):
            layer, position, index = _place(source)
            found[line, column] = float(first[layer, position, index % first.shape[-1]])
    return found


def _place(node: Node) -> tuple[int, int, int]:
    return node.layer or 0, node.position or 0, node.index or 0
