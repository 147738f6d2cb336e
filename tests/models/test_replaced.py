import pytest
import torch
from torch import Tensor

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.dictionaries.sets import TranscoderSet, set_of
from hooke.errors import UnknownName
from hooke.models.edits import Patch
from hooke.models.model import Model
from hooke.models.replaced import run_replaced
from tests.dictionaries.transcoders import crosslayer, transcoder_set
from tests.models.tiny import tiny_model

IDS = torch.tensor([[5, 9, 11, 2, 77, 3], [8, 8, 1, 60, 4, 4]])
WIDE = {"d_in": 32, "d_out": 32}


def writes_constant(model: Model, layer: int, value: Tensor, reads: str = "mlp_in") -> Dictionary:
    """A transcoder that never fires and always writes this."""
    config = DictionaryConfig(
        name=f"c.{layer}", model="tiny", kind="jumprelu", reads=(f"{reads}.{layer}",), writes=(f"mlp_out.{layer}",),
        n_features=4, d_in=32, d_out=32,
    )  # fmt: skip
    return Dictionary(
        config, W_enc=torch.zeros(32, 4), b_enc=torch.zeros(4), W_dec=torch.zeros(4, 32), b_dec=value,
        threshold=torch.ones(4),
    )  # fmt: skip


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "gpt_neox"])
def test_a_constant_in_the_place_of_mlps_is_a_patch_of_their_outputs(architecture: str):
    model, value = tiny_model(architecture), torch.linspace(-1, 1, 32)
    made = set_of("c", [writes_constant(model, layer, value) for layer in (0, 2)])
    found = run_replaced(model, model.tokenize(IDS), made, layers=(0, 2))
    patches = [Patch(site=f"mlp_out.{layer}", value=value.expand(6, 32)) for layer in (0, 2)]
    expected = model.run(IDS, edits=patches).logits
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, model.run(IDS).logits, atol=1e-3)


def by_hand(model: Model, made: TranscoderSet, layers: tuple[int, ...]) -> Tensor:
    """The layers replaced one after the other, each from a run in which those below are replaced already."""
    patches = []
    for layer in layers:
        read = model.run(IDS, capture=[made.reads(layer)], edits=patches)[made.reads(layer)]
        patches.append(Patch(site=f"mlp_out.{layer}", value=made.transcoder(layer)(read)))
    return model.run(IDS, edits=patches).logits


@pytest.mark.parametrize("reads", ["mlp_in", "resid_mid"])
def test_each_layer_reads_what_the_replaced_ones_below_have_left(reads: str):
    model, made = tiny_model(), transcoder_set(reads=reads, **WIDE)
    found = run_replaced(model, model.tokenize(IDS), made, layers=(0, 1, 2))
    torch.testing.assert_close(found, by_hand(model, made, (0, 1, 2)), rtol=1e-4, atol=1e-4)


def test_a_cross_layer_transcoder_writes_to_a_layer_from_all_below():
    model, made = tiny_model(), crosslayer(skip=True, **WIDE)
    run = model.run(IDS, capture=["resid_mid.0", "resid_mid.1", "resid_mid.2"])
    value = made.bias(2) + run["resid_mid.2"] @ made.skip(2)
    for layer in range(3):
        acts = made.encode(layer, run[f"resid_mid.{layer}"]).dense()
        value = value + acts @ made.tensors(layer)["W_dec"][:, 2 - layer]
    found = run_replaced(model, model.tokenize(IDS), made, layers=(2,))
    # The last layer's features read an unchanged stream, so one patch does it.
    expected = model.run(IDS, edits=[Patch(site="mlp_out.2", value=value)]).logits
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_only_where_it_is_asked_for():
    model, made = tiny_model(), transcoder_set(**WIDE)
    where = torch.tensor([[False, False, True, False, True, True], [False] * 6])
    found, clean = run_replaced(model, model.tokenize(IDS), made, layers=(0,), where=where), model.run(IDS).logits
    assert torch.equal(found[1], clean[1])
    assert torch.equal(found[0, :2], clean[0, :2])
    assert not torch.allclose(found[0, 2:], clean[0, 2:], atol=1e-3)


def test_nothing_stays_behind_and_missing_layers_are_told():
    model, made = tiny_model(), transcoder_set(**WIDE)
    clean = model.run(IDS).logits
    run_replaced(model, model.tokenize(IDS), made, layers=(1,))
    assert torch.equal(model.run(IDS).logits, clean)
    with pytest.raises(UnknownName, match="no features in layer 3"):
        run_replaced(model, model.tokenize(IDS), made, layers=(3,))


def test_padding_is_no_hindrance():
    model, made = tiny_model(), transcoder_set(reads="resid_mid", **WIDE)
    short = torch.tensor([[5, 9, 11]])
    tokens = model.tokenize(IDS[:1])
    mask = torch.tensor([[True] * 3 + [False] * 3])
    padded = type(tokens)(torch.cat([short, torch.zeros(1, 3, dtype=torch.int64)], dim=1), mask)
    found = run_replaced(model, padded, made, layers=(0, 1))[:, :3]
    torch.testing.assert_close(found, run_replaced(model, model.tokenize(short), made, layers=(0, 1)))
