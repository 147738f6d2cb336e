"""Neurons: the half rule conserves, the gradient rule is the derivative, and all neurons leave nothing over."""

import pytest
import torch

from hooke.circuits.frozen import freeze
from hooke.circuits.neuron_basis import multipliers, neuron_basis, relevance
from hooke.circuits.targets import target_rows, top_logits
from hooke.errors import UnsupportedModel
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "phi3", "olmo2"])
def test_what_reaches_the_tokens_is_the_target(architecture: str):
    frozen = freeze(tiny_model(architecture), PROMPT)
    goals = top_logits(frozen, at_most=2)
    found = relevance(frozen, target_rows(goals), torch.tensor([goal.weight for goal in goals]), "half")
    # These architectures have no biases: nothing is lost on the way.
    assert float(found.embed.sum()) == pytest.approx(goals[0].value, rel=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_half_gives_the_activation_and_gradient_its_slope(architecture: str):
    frozen = freeze(tiny_model(architecture), PROMPT)
    part, x = frozen.blocks[0].map.neurons, frozen.mlp_in[0]
    assert part is not None
    gate = x @ part.gate.T + part.gate_bias
    up = torch.ones_like(gate) if part.up is None or part.up_bias is None else x @ part.up.T + part.up_bias
    half = multipliers(part, x, "half")
    value = half.on_gate * gate + (0 if half.on_up is None else half.on_up * up)
    torch.testing.assert_close(value, frozen.blocks[0].neurons, rtol=1e-4, atol=1e-5)
    step = 1e-3
    slope = (part.activation(gate + step) - part.activation(gate - step)) / (2 * step) * up
    torch.testing.assert_close(multipliers(part, x, "gradient").on_gate, slope, rtol=1e-2, atol=2e-3)


def test_with_every_neuron_nothing_is_left_over():
    frozen = freeze(tiny_model(), PROMPT)
    chosen = torch.ones(3, 7, 56)
    assert neuron_basis(frozen, chosen, 10**6).remainder.abs().max() < 1e-4
    few = neuron_basis(frozen, chosen, 5)
    assert len(few.features) == 5
    assert few.remainder.abs().max() > 1e-3


def test_experts_are_refused_with_a_way_out():
    frozen = freeze(tiny_model("mixtral"), PROMPT)
    with pytest.raises(UnsupportedModel, match="transcoders"):
        neuron_basis(frozen, torch.ones(3, 7, 56), 5)
