"""What features add to the residual stream, by way of the output projection where they are of heads."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from hooke.models.neurons import neurons_of
from hooke.models.stream_rows import stream_rows, writes_stream
from tests.models.small_dictionary import small_dictionary
from tests.models.tiny import tiny_model

IDS = torch.tensor([[1, 5, 9, 4, 77, 30]])


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen3", "gemma2", "phi3", "falcon"])
def test_features_of_heads_add_what_the_model_makes_of_their_rows(architecture: str):
    model = tiny_model(architecture)
    width = model.row_width(model.expand(["z.1"])[0])
    dictionary = small_dictionary("heads", "z.1", width, 48)
    rows = stream_rows(model, dictionary)
    assert rows is not None
    assert not writes_stream(dictionary)
    # One feature more at every position moves attn_out along the feature's row.
    feature = 7
    run = model.run(IDS, capture=["z.1", "attn_out.1"], logits=False)
    moved = _with(model, run["z.1"] + 0.01 * dictionary.W_dec[feature].view(run["z.1"].shape[2:]))
    found = (moved - run["attn_out.1"]).mean((0, 1))
    if architecture == "gemma2":
        # The norm behind attention also divides, and takes away what lies along its input: about the same way only.
        assert float(functional.cosine_similarity(found, rows[feature], dim=0)) > 0.8
    else:
        torch.testing.assert_close(found, 0.01 * rows[feature], rtol=1e-3, atol=1e-5)


def _with(model, value: torch.Tensor) -> torch.Tensor:
    from hooke.models.edits import Patch

    return model.run(IDS, edits=[Patch(site="z.1", value=value)], capture=["attn_out.1"], logits=False)["attn_out.1"]


def test_what_writes_to_the_stream_is_itself_and_what_does_not_is_nothing():
    model = tiny_model()
    stream = small_dictionary("d", "resid_post.1", 32, 48)
    assert stream_rows(model, stream) is not None
    assert torch.equal(stream_rows(model, stream), stream.W_dec)
    neurons = neurons_of(model, 1)
    assert torch.equal(stream_rows(model, neurons), neurons.output_rows)
    # As wide as the stream, but no part of it.
    assert stream_rows(model, small_dictionary("in", "mlp_in.1", 32, 48)) is None
    assert stream_rows(model, small_dictionary("other", "resid_post.1", 24, 48)) is None
    assert stream_rows(model, small_dictionary("narrow", "z.1", 24, 48)) is None
    several = dataclasses.replace(stream.config, writes=("resid_post.0", "resid_post.1"))
    stream.describe(several)
    assert not writes_stream(stream)
