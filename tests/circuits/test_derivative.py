"""The model's own derivative: a feature faded a little in the model itself loses as much as it says."""

import pytest
import torch

from hooke.circuits.derivative import own_losses, reading_of
from hooke.circuits.downstream import downstream
from hooke.circuits.frozen import freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.intervene import feature_values, scaled, target_values
from hooke.circuits.neuron_basis import neuron_basis
from hooke.circuits.targets import Probe, probe_target
from hooke.circuits.trace import trace
from hooke.dictionaries.replacement import Replacement
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
FADED = 1e-2
DENSE = ("llama", "mistral", "qwen2", "qwen3", "gpt2", "gpt_neox", "phi3", "stablelm")


def agree(predicted: list[float], faded: list[float]) -> None:
    scale = max(abs(value) for value in predicted)
    for one, other in zip(predicted, faded, strict=True):
        assert other == pytest.approx(FADED * one, abs=0.03 * FADED * scale)


@pytest.mark.parametrize("architecture", DENSE)
def test_a_neuron_that_fades_loses_what_is_predicted(architecture: str):
    model = tiny_model(architecture)
    graph = trace(model, "neurons", PROMPT, targets=["#17 - #4"])
    nodes = [graph.nodes[at] for at in graph.numbers("feature")[::12]]
    values = target_values(graph, model, "neurons", [(), *(scaled([node], 1 - FADED) for node in nodes)])
    agree([node.effect or 0.0 for node in nodes], (values[0] - values[1:]).tolist())


@pytest.mark.parametrize("dictionary", [random_set("mlp_in", skip=True), random_crosslayer()], ids=["set", "cross"])
def test_a_transcoders_feature_that_fades_loses_what_is_predicted(dictionary: Replacement):
    model = tiny_model()
    graph = trace(model, dictionary, PROMPT, settings=TraceSettings(max_nodes=40))
    nodes = [graph.nodes[at] for at in graph.numbers("feature")]
    values = target_values(graph, model, dictionary, [(), *(scaled([node], 1 - FADED) for node in nodes)])
    agree([node.effect or 0.0 for node in nodes], (values[0] - values[1:]).tolist())


@pytest.mark.parametrize("basis", ["neurons", "set"])
def test_features_further_on_lose_what_is_predicted(basis: str):
    model = tiny_model()
    dictionary: Replacement | str = "neurons" if basis == "neurons" else random_set("mlp_in", skip=False)
    graph = trace(model, dictionary, PROMPT)
    sources = [node for node in graph.nodes if node.kind == "feature" and node.layer == 0][:6]
    found = downstream(graph, model, dictionary, sources)
    tried = [(), *(scaled([node], 1 - FADED) for node in sources)]
    values = feature_values(graph, model, dictionary, tried, found.readers)
    for column, reader in enumerate(found.readers):
        faded = (values[0, column] - values[1:, column]).tolist()
        agree([float(value) * (reader.activation or 1.0) for value in found.predicted[:, column]], faded)


def test_a_direction_is_read_off_the_stream_and_what_lies_behind_it_gives_nothing():
    model = tiny_model()
    frozen = freeze(model, PROMPT)
    target = probe_target(frozen, Probe("probe", "resid_post.1", torch.ones(frozen.embed.shape[1])))
    hidden = [block.neurons for block in frozen.blocks]
    assert all(one is not None for one in hidden)
    basis = neuron_basis(frozen, torch.stack([one.abs() for one in hidden if one is not None]), 5000)
    losses = own_losses(frozen, basis, [reading_of(frozen, target)])[:, 0]
    assert bool((losses[basis.features.layer == 2] == 0).all())
    assert bool((losses[basis.features.layer == 0] != 0).any())
    # In the last layer before the reading, at its place, a neuron gives what it writes.
    run = next(run for run in basis.written[1] if run.position == frozen.n_positions - 1)
    there = slice(run.first, run.first + len(run.vectors))
    torch.testing.assert_close(losses[there], run.vectors.sum(-1), rtol=1e-4, atol=1e-5)
