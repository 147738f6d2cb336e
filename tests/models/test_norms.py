import pytest
import torch
from torch import nn

from hooke.errors import UnsupportedModel
from hooke.models.norms import norms_of
from hooke.sites import Site
from tests.models.tiny import tiny_model


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2"])
def test_the_mlp_reads_the_normalised_stream_times_gain_plus_bias(architecture: str):
    model = tiny_model(architecture)
    for module in model.hf.modules():
        # Fresh norms have gain 1 and bias 0, which would hide a mistake.
        if "norm" in type(module).__name__.lower():
            for parameter in module.parameters():
                nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    run = model.run(torch.tensor([[5, 9, 11, 2]]), capture=["resid_mid.1", "mlp_in.1"], logits=False)
    stream, norm = run["resid_mid.1"], norms_of(model)(1)
    if architecture == "gpt2":
        stream = stream - stream.mean(-1, keepdim=True)
    normalised = stream / stream.square().mean(-1, keepdim=True).sqrt()
    # The norms' epsilon of 1e-5 or 1e-6 is left out here.
    torch.testing.assert_close(normalised * norm.gain + norm.bias, run["mlp_in.1"], atol=1e-3, rtol=1e-3)


def test_a_model_without_a_norm_before_its_mlp_is_refused():
    model = tiny_model("olmo2")
    model.require(Site("resid_mid", 0))
    with pytest.raises(UnsupportedModel, match="norm before the MLP of layer 0"):
        norms_of(model)(0)
