"""Graphs of tiny random models: the account closes on every architecture, and equals what autograd says."""

import pytest
import torch

from hooke.circuits.frozen import freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.trace import trace
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.models.tiny import tiny_model

DENSE = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "phi3", "olmo2", "stablelm")
PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("architecture", DENSE)
def test_incoming_edges_of_every_node_sum_to_its_value(architecture: str):
    graph = trace(tiny_model(architecture), "neurons", PROMPT, settings=TraceSettings(max_nodes=60, candidates=200))
    assert graph.measures["conservation_error"] <= 1e-4  # float32, sums of some hundred terms
    assert graph.measures["expanded"] == 60


def test_targets_are_the_models_own_logits():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    logits = freeze(model, PROMPT).logits[-1]
    for number in graph.targets:
        node = graph.nodes[number]
        assert node.value == pytest.approx(float(logits[node.index] - logits.mean()), abs=1e-5)


@pytest.mark.parametrize(
    "dictionary", ["neurons", random_set("mlp_in", skip=False), random_crosslayer()], ids=["neurons", "set", "cross"]
)
def test_a_feature_by_its_address_is_a_target_with_the_edges_that_it_has_as_a_node(dictionary: Replacement | str):
    model = tiny_model()
    settings = TraceSettings(max_nodes=400, candidates=1000)
    graph = trace(model, dictionary, PROMPT, settings=settings)
    number = max(graph.numbers("feature"), key=lambda at: (graph.nodes[at].layer or 0, graph.nodes[at].position or 0))
    node = graph.nodes[number]
    aimed = trace(model, dictionary, PROMPT, targets=[f"{node.layer}/{node.index}@{node.position}"], settings=settings)
    goal = aimed.nodes[aimed.targets[0]]
    assert (goal.name, goal.weight) == (node.id, 1)
    assert goal.value == pytest.approx(node.value, rel=1e-3)
    assert aimed.measures["conservation_error"] <= 1e-4
    for token in graph.numbers("token"):
        there = aimed.weights[aimed.targets[0], aimed.number(graph.nodes[token].id)]
        assert there == pytest.approx(graph.weights[number, token], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("words", ["9/1@0", "0/99999@0", "0/1@99"])
def test_a_feature_that_is_not_there_is_refused(words: str):
    for dictionary in ("neurons", random_set("mlp_in", skip=False)):
        with pytest.raises(BadRequest):
            trace(tiny_model(), dictionary, PROMPT, targets=[words])


def test_named_targets_count_alike():
    graph = trace(tiny_model(), "neurons", PROMPT, targets=["#17", "#4 - #9"])
    assert [graph.nodes[at].weight for at in graph.targets] == [0.5, 0.5]
