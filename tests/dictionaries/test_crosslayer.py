import pytest
import torch

from hooke.dictionaries.crosslayer import CrossLayerTranscoder
from hooke.errors import BadArtefact, BadConfig, ShapeMismatch, UnknownName
from hooke.sites import Site
from tests.dictionaries.transcoders import LAYERS, crosslayer, crosslayer_config, crosslayer_tensors, streams


@pytest.mark.parametrize("kind", ["relu", "topk", "batchtopk", "jumprelu"])
def test_each_layer_encodes_what_it_reads(kind: str):
    made, x = crosslayer(kind), streams()
    for layer in LAYERS:
        own = made.tensors(layer)
        pre = x[layer] @ own["W_enc"] + own["b_enc"]
        bar = pre.topk(3).values[:, -1:] - 1e-4 if kind == "topk" else own.get("threshold", torch.zeros(10))
        torch.testing.assert_close(made.encode(layer, x[layer]).dense(), torch.relu(pre) * (pre > bar))


def test_the_first_place_of_a_decoder_writes_to_its_own_layer():
    made, chosen = crosslayer(), torch.tensor([9, 1])
    assert made.targets(1) == (1, 2)
    assert made.reads(1) == Site("resid_mid", 1)
    decoder = made.tensors(1)["W_dec"]
    assert decoder.shape == (10, 2, 6)
    assert torch.equal(made.decoder_rows(1, chosen, 1), decoder[chosen, 0])
    assert torch.equal(made.decoder_rows(1, chosen, 2), decoder[chosen, 1])
    with pytest.raises(UnknownName, match=r"do not write to layer 0.*layers 1 to 2"):
        made.decoder_rows(1, chosen, 0)


def test_layers_need_not_begin_at_zero():
    made = crosslayer(layers=(4, 5, 9))
    assert made.targets(5) == (5, 9)
    assert torch.equal(made.decoder_rows(4, torch.tensor([3]), 9), made.tensors(4)["W_dec"][[3], 2])


def test_only_the_layers_asked_for_are_opened():
    config = crosslayer_config()
    tensors, asked = crosslayer_tensors(config), []
    made = CrossLayerTranscoder(config, lambda layer: asked.append(layer) or tensors[layer])
    made.targets(0)
    made.encode(2, streams()[2])
    made.bias(2)
    assert asked == [2]


def test_tensors_of_another_shape_are_refused():
    config = crosslayer_config()
    tensors = crosslayer_tensors(config)
    made = CrossLayerTranscoder(config, lambda layer: tensors[0] if layer == 1 else tensors[layer])
    made.bias(0)
    with pytest.raises(ShapeMismatch, match=r"layer 1 .*W_dec.*\(10, 2, 6\).*\(10, 3, 6\)"):
        made.bias(1)


def test_rows_that_are_not_finite_are_refused():
    made = crosslayer()
    made.tensors(0)["W_dec"][4, 1] = torch.inf
    made.decoder_rows(0, torch.tensor([4]), 0)
    with pytest.raises(BadArtefact, match="not finite"):
        made.decoder_rows(0, torch.tensor([4]), 1)


@pytest.mark.parametrize(
    "changes", [{"layers": ()}, {"layers": (1, 1)}, {"layers": (2, 1)}, {"n_features": 0}, {"k": 11}, {"d_out": 0}]
)
def test_impossible_configs_are_refused(changes: dict):
    with pytest.raises(BadConfig):
        crosslayer_config(**changes)


def test_a_matryoshka_is_refused():
    with pytest.raises(BadConfig, match="matryoshka"):
        crosslayer_config("matryoshka")
