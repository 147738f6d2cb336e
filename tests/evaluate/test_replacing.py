import json

import pytest
import torch

from hooke.cli.answer import plain_data
from hooke.errors import BadConfig, BadRequest, ShapeMismatch
from hooke.evaluate.replacing import Replaced, ReplacingConfig, replacing
from hooke.models.model import Model
from hooke.text.windows import WindowConfig, windows
from tests.dictionaries.transcoders import crosslayer, transcoder_set
from tests.evaluate.relu_model import WINDOWS, active_neurons, perfect, relu_model, text
from tests.text.small_tokenizer import small_corpus

CONFIG = ReplacingConfig(n_tokens=8 * 16, n_loss_windows=4, windows=WINDOWS)


@pytest.fixture(scope="module")
def model() -> Model:
    return relu_model()


@pytest.fixture(scope="module")
def found(model: Model) -> Replaced:
    return replacing(model, perfect(model, share=0.5), text(), config=CONFIG)


def test_the_model_as_transcoders_of_its_own_leaves_nothing_unexplained(model: Model):
    measured = replacing(model, perfect(model), text(), config=CONFIG)
    assert [one.layer for one in measured.layers] == [0, 1, 2]
    for fit in (measured.own, *(one.own for one in measured.layers)):
        assert fit.fvu.value == pytest.approx(0, abs=1e-8)
        assert fit.fvu_everywhere.value == pytest.approx(0, abs=1e-8)
    assert measured.together is not None
    assert measured.together.agreement.value == 1
    batches = list(windows(text(), model.tokenizer, WINDOWS, stop=8))
    tokens, counted = (torch.cat([getattr(one, name) for one in batches]) for name in ("tokens", "counted"))
    assert measured.own.l0.value == pytest.approx(active_neurons(model, tokens, counted), rel=1e-5)
    assert measured.control.fvu.interval[0] > 0.2
    assert measured.together_control is not None
    assert measured.together_control.divergence.value > measured.together.divergence.value + 0.01


def test_every_number_is_that_of_the_definition(model: Model, found: Replaced):
    made = perfect(model, share=0.5)
    batches = list(windows(text(), model.tokenizer, WINDOWS, stop=8))
    tokens, counted = (torch.cat([getattr(one, name) for one in batches]) for name in ("tokens", "counted"))
    run = model.run(tokens, capture=["mlp_in.1", "mlp_out.1"], logits=False)
    y, rebuilt = run["mlp_out.1"].double(), made.transcoder(1)(run["mlp_in.1"]).double()
    one = found.layers[1]
    for where, estimate in ((counted, one.own.fvu), (torch.ones_like(counted), one.own.fvu_everywhere)):
        expected = (y - rebuilt)[where].square().sum() / (y[where] - y[where].mean(0)).square().sum()
        assert estimate.value == pytest.approx(float(expected), rel=1e-5)
        assert estimate.interval[0] < estimate.value < estimate.interval[1]
    acts = made.encode(1, run["mlp_in.1"][counted]).dense()
    assert one.own.l0.value == pytest.approx(float((acts > 0).sum(-1).float().mean()), rel=1e-5)
    assert one.own.dead_share.value == pytest.approx(float((acts == 0).all(0).float().mean()))
    assert found.own.fvu.value == pytest.approx(sum(one.own.fvu.value for one in found.layers) / 3)
    assert found.own.l0.value == pytest.approx(sum(one.own.l0.value for one in found.layers))
    assert found.n_counted == int(counted.sum())


def test_findings_carry_controls_intervals_and_units(found: Replaced):
    findings = {one.claim.removeprefix("perfect: "): one for one in found.findings()}
    assert len(findings) == len(found.findings()) == 4 * 4 + 3 * 4
    fvu = findings["mean of the layers: fraction of variance unexplained"]
    assert fvu.interval[0] <= fvu.value <= fvu.interval[1]
    assert fvu.control == found.control.fvu.value
    assert fvu.control_name.startswith("random transcoders")
    assert findings["all layers replaced: cross-entropy added"].unit == " nats"
    assert findings["all layers replaced: cross-entropy added"].n == 4
    assert findings["layer 2: share of features that never fired"].n == 3 * 56
    assert "layer 1 replaced: share of tokens with the same likeliest next token" in findings
    assert "nan" not in json.dumps(plain_data(found)).lower()


def test_a_cross_layer_transcoder_is_measured_target_by_target(model: Model):
    made = crosslayer(d_in=32, d_out=32)
    measured = replacing(model, made, text(), config=ReplacingConfig(n_tokens=64, n_loss_windows=0, windows=WINDOWS))
    assert measured.together is None
    assert len(measured.findings()) == 4 * 4
    batches = list(windows(text(), model.tokenizer, WINDOWS, stop=4))
    tokens, counted = (torch.cat([getattr(one, name) for one in batches]) for name in ("tokens", "counted"))
    run = model.run(tokens, capture=["resid_mid.*", "mlp_out.2"], logits=False)
    rebuilt = made.bias(2)
    for layer in range(3):
        acts = made.encode(layer, run[f"resid_mid.{layer}"]).dense()
        rebuilt = rebuilt + acts @ made.tensors(layer)["W_dec"][:, 2 - layer]
    y = run["mlp_out.2"].double()[counted]
    expected = (y - rebuilt[counted]).square().sum() / (y - y.mean(0)).square().sum()
    assert measured.layers[2].own.fvu.value == pytest.approx(float(expected), rel=1e-4)


def test_layers_alone_may_be_left_out(model: Model):
    config = ReplacingConfig(n_tokens=64, n_loss_windows=2, each_layer=False, windows=WINDOWS)
    measured = replacing(model, perfect(model), text(), config=config)
    assert measured.together is not None
    assert all(one.alone is None for one in measured.layers)


def test_what_cannot_be_measured_is_refused(model: Model):
    with pytest.raises(ShapeMismatch, match="does not fit the model 'relu'"):
        replacing(model, transcoder_set(), text(), config=CONFIG)
    with pytest.raises(BadRequest, match="does not fill two windows"):
        replacing(model, perfect(model), small_corpus("rain"), config=CONFIG)
    with pytest.raises(BadConfig, match="Give two windows"):
        ReplacingConfig(n_tokens=20, windows=WindowConfig(context=16))
