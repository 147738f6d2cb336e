"""Linear maps found by numbers give what the modules give, also where projections are fused."""

import pytest
import torch

from hooke.models.linear_maps import linear_maps, norm_map
from hooke.sites import Site
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
DENSE = ["llama", "qwen2", "gemma2", "gpt2", "gpt_neox", "phi3", "olmo2", "stablelm"]


@pytest.mark.parametrize("architecture", DENSE)
def test_values_heads_and_neurons_come_from_the_maps(architecture: str):
    model = tiny_model(architecture)
    run = model.run(PROMPT, capture=["attn_in.1", "v.1", "mlp_in.1", "neurons.1"])
    block = linear_maps(model).blocks[1]
    read = run[Site("attn_in", 1)][0]
    values = torch.einsum("pd,khd->pkh", read, block.attention.values) + block.attention.value_bias
    torch.testing.assert_close(values, run[Site("v", 1)][0], rtol=1e-4, atol=1e-5)
    neurons, x = block.neurons, run[Site("mlp_in", 1)][0]
    assert neurons is not None
    hidden = neurons.activation(x @ neurons.gate.T + neurons.gate_bias)
    if neurons.up is not None and neurons.up_bias is not None:
        hidden = hidden * (x @ neurons.up.T + neurons.up_bias)
    torch.testing.assert_close(hidden, run[Site("neurons", 1)][0], rtol=1e-4, atol=1e-5)


def test_weights_are_shared_not_copied():
    model = tiny_model("llama")
    down = model.hf.get_parameter("model.layers.0.mlp.down_proj.weight")
    neurons = linear_maps(model).blocks[0].neurons
    assert neurons is not None
    assert neurons.outputs.data_ptr() == down.data_ptr()
    assert linear_maps(model) is linear_maps(model)


@pytest.mark.parametrize(("norm", "is_centred"), [(torch.nn.LayerNorm(6), True), (torch.nn.RMSNorm(6), False)])
def test_norms_are_measured(norm: torch.nn.LayerNorm | torch.nn.RMSNorm, is_centred: bool):
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-1, 2, 6))
        found = norm_map(norm, 6, torch.device("cpu"))
    assert found.is_centred == is_centred
    torch.testing.assert_close(found.gain, torch.linspace(-1, 2, 6), rtol=1e-4, atol=1e-4)
