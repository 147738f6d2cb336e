"""Effects on features further on: foretold as the sum over all paths of edges, measured as edits by hand measure."""

import numpy as np
import pytest
import torch

from hooke.circuits.downstream import HOPS, downstream
from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.trace import trace
from hooke.dictionaries.replacement import Replacement
from hooke.models.edits import Add
from hooke.models.model import Model
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
WHOLE = TraceSettings(max_nodes=5000, candidates=5000)


def over_all_paths(graph: Graph) -> np.ndarray:
    """[row, node]: what a row's value loses with a node, each node on the way passing on what it loses itself."""
    n = graph.n_rows
    own = np.array([node.activation or 1.0 for node in graph.nodes[:n]])
    passed = graph.weights[:, :n].astype(np.float64) / own
    return np.linalg.solve(np.eye(n) - passed, graph.weights.astype(np.float64))


def relu_model() -> Model:
    """Where a neuron is no product and has no curve, both rules are its derivative."""
    return tiny_model("gpt2", activation_function="relu", n_layer=4)


@pytest.mark.parametrize(
    ("model", "dictionary"),
    [
        (relu_model(), "neurons"),
        (tiny_model(), random_set("mlp_in", skip=False)),
        (tiny_model(), random_crosslayer()),
    ],
    ids=["neurons", "transcoders", "cross-layer"],
)
def test_what_the_frozen_model_foretells_is_the_sum_over_all_paths(model: Model, dictionary: Replacement | str):
    graph = trace(model, dictionary, PROMPT, settings=WHOLE)
    sources = [graph.nodes[at] for at in graph.numbers("feature")[:30:3]]
    found = downstream(graph, model, dictionary, sources)
    losses = over_all_paths(graph)
    for line, source in enumerate(found.sources):
        for column, reader in enumerate(found.readers):
            if (reader.layer or 0) - (source.layer or 0) < HOPS:
                assert np.isnan(found.predicted[line, column])
                assert np.isnan(found.frozen[line, column])
                assert np.isnan(found.measured[line, column])
                continue
            loss = losses[graph.number(reader.id), graph.number(source.id)] / (reader.activation or 1.0)
            assert found.frozen[line, column] == pytest.approx(loss, rel=1e-3, abs=1e-6)


def test_what_is_measured_is_the_edit_by_hand():
    model = tiny_model(num_hidden_layers=4)
    graph = trace(model, "neurons", PROMPT)
    sources = [graph.nodes[at] for at in graph.numbers("feature")[:5]]
    found = downstream(graph, model, "neurons", sources)
    base = model.run(PROMPT, capture=["neurons.*"])
    for line, source in enumerate(sources):
        unit, sign = (source.index or 0) % 56, 1.0 if (source.index or 0) < 56 else -1.0
        vector = torch.zeros(56)
        vector[unit] = -sign * (source.activation or 0.0)
        edit = Add(site=f"neurons.{source.layer}", vector=vector, positions=(source.position or 0,))
        run = model.run(PROMPT, capture=["neurons.*"], edits=[edit])
        for column, reader in enumerate(found.readers):
            if np.isnan(found.measured[line, column]):
                continue
            place = (0, reader.position or 0, (reader.index or 0) % 56)
            lost = (base[f"neurons.{reader.layer}"] - run[f"neurons.{reader.layer}"])[place]
            turned = 1.0 if (reader.index or 0) < 56 else -1.0
            expected = float(lost) * turned / (reader.activation or 1.0)
            assert found.measured[line, column] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_readers_are_of_many_layers_and_pairs_are_told_apart_by_distance():
    model = tiny_model(num_hidden_layers=6)
    graph = trace(model, "neurons", PROMPT)
    sources = [node for node in graph.nodes if node.kind == "feature" and node.layer == 0][:4]
    found = downstream(graph, model, "neurons", sources, n_readers=4)
    assert sorted(node.layer or 0 for node in found.readers) == [2, 3, 4, 5]
    near, far = found.band(2, 3)[0], found.band(4, 5)[0]
    assert (len(near), len(far)) == (8, 8)
    assert set(near.tolist()).isdisjoint(far.tolist())


def test_a_shallow_model_has_nothing_further_on():
    model = tiny_model(num_hidden_layers=2)
    graph = trace(model, "neurons", PROMPT)
    found = downstream(graph, model, "neurons", [graph.nodes[at] for at in graph.numbers("feature")[:4]])
    assert found.readers == ()
    assert len(found.band(2, 99)[0]) == 0
