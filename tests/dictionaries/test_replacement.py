import pytest
import torch

from hooke.dictionaries.replacement import (
    Replacement,
    check_replacement,
    contribution,
    layer_ranges,
    reconstruct,
    sources,
)
from hooke.errors import ShapeMismatch, UnknownName, UnknownSite
from tests.dictionaries.test_dictionary import FakeModel
from tests.dictionaries.transcoders import LAYERS, crosslayer, streams, transcoder_set


@pytest.mark.parametrize("made", [transcoder_set(), crosslayer(skip=True)], ids=["set", "crosslayer"])
def test_both_kinds_are_replacements(made: Replacement):
    assert isinstance(made, Replacement)
    assert made.layers == LAYERS
    # One protocol, one meaning: a pre-activation is the encoder's row times x plus its bias.
    x, chosen = streams()[1], torch.tensor([4, 0])
    pre = x @ made.encoder_rows(1, chosen).T + made.encoder_biases(1, chosen)
    acts = made.encode(1, x).dense()[:, chosen]
    assert bool((acts > 0).any())
    torch.testing.assert_close(acts[acts > 0], pre[acts > 0])


def test_a_set_reconstructs_what_its_transcoders_do():
    made, x = transcoder_set(), streams()
    acts = {layer: made.encode(layer, x[layer]) for layer in LAYERS}
    for layer in LAYERS:
        torch.testing.assert_close(reconstruct(made, acts, x[layer], layer), made.transcoder(layer)(x[layer]))
    assert sources(made, 2) == (2,)


def test_a_cross_layer_transcoder_reconstructs_by_the_written_out_sum():
    made, x = crosslayer(skip=True), streams()
    acts = {layer: made.encode(layer, x[layer]) for layer in LAYERS}
    for target in LAYERS:
        own = made.tensors(target)
        expected = own["b_dec"] + x[target] @ own["W_skip"]
        for layer in range(target + 1):
            expected = expected + acts[layer].dense() @ made.tensors(layer)["W_dec"][:, target - layer]
        torch.testing.assert_close(reconstruct(made, acts, x[target], target), expected)
    assert sources(made, 2) == (0, 1, 2)


def test_a_contribution_needs_only_the_rows_of_active_features():
    made, x = crosslayer(), streams()
    acts = made.encode(0, x[0])
    asked = []
    rows = made.decoder_rows
    made.decoder_rows = lambda layer, indices, target: asked.append(len(indices)) or rows(layer, indices, target)
    written = contribution(made, 0, acts, 2)
    torch.testing.assert_close(written, acts.dense() @ made.tensors(0)["W_dec"][:, 2])
    assert asked == [len(acts.indices.unique())]


def test_another_model_is_refused():
    for made in (transcoder_set(), crosslayer()):
        with pytest.raises(UnknownSite, match="2"):
            check_replacement(made, FakeModel(6))
    small = crosslayer(layers=(0, 1))
    check_replacement(small, FakeModel(6))
    with pytest.raises(ShapeMismatch, match=r"reads 6 numbers at resid_mid.0; the model has 8.*made for 'tiny'"):
        check_replacement(small, FakeModel(8))
    with pytest.raises(ShapeMismatch, match="writes 5 numbers at mlp_out.0; the model has 6"):
        check_replacement(crosslayer(layers=(0, 1), d_out=5), FakeModel(6))


@pytest.mark.parametrize("made", [transcoder_set(), crosslayer()], ids=["set", "crosslayer"])
def test_a_layer_that_is_not_there_is_told(made: Replacement):
    for ask in (made.reads, made.n_features, made.targets, made.bias, made.skip):
        with pytest.raises(UnknownName, match=r"no features in layer 7.*It has layers 0-2"):
            ask(7)


def test_layers_are_written_as_ranges():
    assert layer_ranges((0, 1, 2, 5, 7, 8)) == "0-2, 5, 7-8"
    assert layer_ranges((3,)) == "3"
