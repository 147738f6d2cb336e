"""A kept graph opened again on its model: the same frozen model, and what each of its nodes writes.

A graph file holds numbers, not vectors. Freezing the same tokens gives the same vectors, so that whatever a node stands
for can be put into a stream again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.basis import Basis
from hooke.circuits.frozen import FrozenModel, freeze
from hooke.circuits.graph import Graph, Node
from hooke.circuits.intervene import require_own
from hooke.circuits.neuron_basis import neuron_basis
from hooke.circuits.transcoder_basis import transcoder_basis
from hooke.dictionaries.replacement import Replacement
from hooke.models.model import Model

Write = tuple[int, int, Tensor]
"""(layer whose mlp_out is written, or -1 for the embedding; position; vector [d_model])."""

Skip = Callable[[Tensor], Tensor]
"""What changes of the stream become at mlp_out through a transcoder's linear path."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """A graph's frozen model with the graph's features told apart."""

    graph: Graph
    frozen: FrozenModel
    basis: Basis
    dictionary: Replacement | None
    """None where the features are neurons."""
    numbers: dict[tuple[int, int, int], int]
    """(layer, position, index) of every feature of the basis -> its number there."""
    skips: dict[int, Skip] = field(default_factory=dict)
    """By layer; forward, unlike those of the basis."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut from the graph since it was traced: only then is a rest what its name says."""
        measures = self.graph.measures
        is_all = measures.get("expanded") == len(self.graph.numbers("feature"))
        return is_all and "node_threshold" not in measures

    def writes(self, node: Node) -> list[Write]:
        """What a feature, error, rest or token adds to the frozen model, and where."""
        layer, position = node.layer or 0, node.position or 0
        if node.kind == "token":
            return [(-1, position, self.frozen.embed[position])]
        if node.kind == "feature":
            return self._written_by([self.numbers[layer, position, node.index or 0]])
        if node.kind == self.basis.remainder_kind:
            return [(layer, position, self.basis.remainder[layer, position])]
        taken = {(one.layer, one.position, one.index) for one in self.graph.nodes if one.kind == "feature"}
        left = [at for place, at in self.numbers.items() if place[:2] == (layer, position) and place not in taken]
        return self._written_by(left)

    def _written_by(self, numbers: list[int]) -> list[Write]:
        found = []
        for layer, runs in enumerate(self.basis.written):
            for run in runs:
                rows = [number - run.first for number in numbers if 0 <= number - run.first < len(run.vectors)]
                if rows:
                    found.append((layer, run.position, run.vectors[rows].sum(0)))
        return found


def reopen(graph: Graph, model: Model, dictionary: Replacement | str) -> Reopened:
    """The graph on its model again.

    Raises:
        BadRequest: the graph is of another model or dictionary, or was made by another tool.
        HookeError: see `freeze`.
    """
    require_own(graph, model, dictionary)
    with torch.no_grad():
        frozen = freeze(model, torch.tensor([graph.token_ids]))
        own = None if isinstance(dictionary, str) else dictionary
        basis = _neurons(graph, frozen) if own is None else transcoder_basis(frozen, own)
        features = basis.features
        places = zip(features.layer.tolist(), features.position.tolist(), features.index.tolist(), strict=True)
        skips = {} if own is None else {layer: _skip(frozen, own, layer) for layer in basis.skips}
    return Reopened(graph, frozen, basis, own, {place: at for at, place in enumerate(places)}, skips)


def graph_neurons(graph: Graph, frozen: FrozenModel) -> Float[Tensor, "layer pos neuron"]:
    """1 for each neuron that is a feature of the graph, else 0."""
    widths = [0 if block.neurons is None else block.neurons.shape[-1] for block in frozen.blocks]
    chosen = frozen.embed.new_zeros(frozen.n_layers, frozen.n_positions, max(widths))
    for node in graph.nodes:
        if node.kind == "feature":
            layer = node.layer or 0
            chosen[layer, node.position or 0, (node.index or 0) % widths[layer]] = 1
    return chosen


def _neurons(graph: Graph, frozen: FrozenModel) -> Basis:
    return neuron_basis(frozen, graph_neurons(graph, frozen), len(graph.numbers("feature")))


def _skip(frozen: FrozenModel, dictionary: Replacement, layer: int) -> Skip:
    matrix = dictionary.skip(layer)
    assert matrix is not None
    own = matrix.float().clone()
    norm = frozen.blocks[layer].mlp_norm if dictionary.reads(layer).kind == "mlp_in" else None
    dictionary.release(layer)
    return lambda change: (change if norm is None else norm.apply(change)) @ own
