"""The frozen model is the model: on this prompt, from any stream to the next."""

import pytest
import torch

from hooke.circuits.frozen import NotFinite, attend, freeze
from hooke.errors import UnsupportedModel
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text", "gpt2", "gpt_neox", "olmo2", "gpt_oss", "qwen3_moe"])
def test_the_parts_make_the_stream(architecture: str):
    frozen = freeze(tiny_model(architecture), PROMPT)
    stream = frozen.embed + frozen.place
    for layer, block in enumerate(frozen.blocks):
        torch.testing.assert_close(stream, frozen.pre[layer], rtol=1e-4, atol=1e-4)
        stream = stream + attend(block, stream) + frozen.mlp_out[layer]
    torch.testing.assert_close(stream, frozen.final, rtol=1e-4, atol=1e-4)


def test_biases_are_what_attention_adds_to_nothing():
    frozen = freeze(tiny_model("gpt2"), PROMPT)
    block, stream = frozen.blocks[1], frozen.pre[1]
    linear = attend(block, stream) - block.attention_constant
    doubled = attend(block, 2 * stream) - block.attention_constant
    torch.testing.assert_close(doubled, 2 * linear, rtol=1e-4, atol=1e-5)


def test_half_precision_is_refused():
    model = tiny_model()
    model.hf.to(torch.bfloat16)
    with pytest.raises(UnsupportedModel, match="float32"):
        freeze(model, PROMPT)


def test_a_model_without_known_attention_is_refused():
    with pytest.raises(UnsupportedModel, match=r"v\.0"):
        freeze(tiny_model("falcon"), PROMPT)


def test_weights_that_are_not_numbers_are_named():
    model = tiny_model()
    freeze(model, PROMPT)
    with torch.no_grad():
        model.hf.get_parameter("model.layers.1.mlp.down_proj.weight")[0, 0] = torch.nan
    with pytest.raises(NotFinite, match=r"mlp_out\.1"):
        freeze(model, PROMPT)
