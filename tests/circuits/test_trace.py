"""Graphs of tiny random models: the account closes on every architecture, and equals what autograd says."""

import pytest
import torch

from hooke.circuits.frozen import freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.trace import trace
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
