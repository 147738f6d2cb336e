"""Metrics of dictionaries whose metrics are known, on the planted world."""

import json

import numpy as np
import pytest
import torch

from hooke.configs import from_dict, to_dict
from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import BadConfig, BadRequest, ShapeMismatch
from hooke.evaluate.reconstruction import Reconstruction, ReconstructionConfig, reconstruction
from hooke.models.model import Model
from hooke.text.windows import WindowConfig, windows
from tests.features.planted import SITE, planted_corpus, planted_dictionary, planted_model
from tests.models.small_dictionary import small_dictionary

CONFIG = ReconstructionConfig(n_tokens=320, n_loss_windows=8, windows=WindowConfig(context=32, batch=3))


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def dictionary(model: Model, encoder: torch.Tensor, decoder: torch.Tensor, bias: torch.Tensor) -> Dictionary:
    config = DictionaryConfig(
        name="d", model="planted", kind="relu", reads=(SITE,), writes=(SITE,), n_features=len(decoder),
        d_in=model.d_model, d_out=model.d_model,
    )  # fmt: skip
    return Dictionary(config, W_enc=encoder, b_enc=torch.zeros(len(decoder)), W_dec=decoder, b_dec=bias)


def counted_streams(model: Model) -> torch.Tensor:
    batches = windows(planted_corpus(), model.tokenizer, CONFIG.windows, stop=10)
    return torch.cat([torch.eye(model.d_vocab, model.d_model)[batch.tokens[batch.counted]] for batch in batches])


def test_a_perfect_dictionary_leaves_nothing_unexplained(model: Model):
    eye = torch.eye(model.d_model)
    found = reconstruction(
        model, dictionary(model, eye, eye, torch.zeros(model.d_model)), planted_corpus(), config=CONFIG
    )
    assert found.own.fvu.value == 0
    assert found.own.cosine.value == pytest.approx(1)
    assert found.own.l0.value == 1
    assert found.losses is not None
    assert found.losses.own.loss.value == found.losses.clean.value
    assert found.losses.own.recovered_zero.value == found.losses.own.recovered_mean.value == 1
    assert found.control.fvu.interval[0] > 0.05


def test_the_mean_alone_explains_nothing(model: Model):
    width = model.d_model
    mean = counted_streams(model).mean(0)
    found = reconstruction(
        model, dictionary(model, torch.eye(width), torch.zeros(width, width), mean), planted_corpus(), config=CONFIG
    )
    assert found.own.fvu.value == pytest.approx(1, abs=1e-6)
    assert found.losses is not None
    assert found.losses.own.loss.value == pytest.approx(found.losses.mean.value, abs=1e-6)
    assert found.losses.own.recovered_mean.value == pytest.approx(0, abs=1e-5)


def test_every_number_is_that_of_the_definition(model: Model):
    planted = planted_dictionary(model)
    found = reconstruction(model, planted, planted_corpus(), config=CONFIG)
    x = counted_streams(model)
    acts = planted.encode(x).dense()
    rebuilt = planted(x)
    variance = ((x - x.mean(0)) ** 2).sum()
    assert found.n_counted == len(x)
    assert found.own.fvu.value == pytest.approx(float(((x - rebuilt) ** 2).sum() / variance), rel=1e-5)
    shares = []
    for batch in windows(planted_corpus(), model.tokenizer, CONFIG.windows, stop=10):
        for tokens, counted in zip(batch.tokens, batch.counted, strict=True):
            y = torch.eye(model.d_vocab, model.d_model)[tokens[counted]]
            shares.append(float(((y - planted(y)) ** 2).sum() / ((y - x.mean(0)) ** 2).sum()))
    assert found.own.typical_fvu.value == pytest.approx(np.median(shares), rel=1e-5)
    assert found.own.l0.value == pytest.approx(float((acts > 0).float().sum(-1).mean()), rel=1e-6)
    cosine = torch.nn.functional.cosine_similarity(x, rebuilt).mean()
    assert found.own.cosine.value == pytest.approx(float(cosine), abs=1e-6)
    density = (acts > 0).double().mean(0)
    assert found.own.dead_share.value == pytest.approx(float((density == 0).double().mean()))
    assert found.densities.n_dead == 1
    expected, _ = np.histogram(np.log10(density[density > 0].numpy()), bins=np.array(found.densities.edges))
    assert found.densities.counts == tuple(expected.tolist())


def test_findings_carry_controls_and_intervals(model: Model):
    found = reconstruction(model, planted_dictionary(model), planted_corpus(), config=CONFIG)
    findings = found.findings()
    assert len(findings) == 7
    for one in findings:
        assert one.control is not None
        assert one.interval[0] <= one.value <= one.interval[1]
    assert findings[0].value == found.own.fvu.value
    assert findings[0].control == found.control.fvu.value


def test_loss_may_be_left_out_and_json_brings_all_back(model: Model):
    config = ReconstructionConfig(n_tokens=320, n_loss_windows=0, windows=CONFIG.windows)
    found = reconstruction(model, planted_dictionary(model), planted_corpus(), config=config)
    assert found.losses is None
    assert from_dict(Reconstruction, json.loads(json.dumps(to_dict(found)))) == found


def test_a_dictionary_of_another_model_is_refused(model: Model):
    with pytest.raises(ShapeMismatch):
        reconstruction(model, small_dictionary("d", SITE, 8, 16), planted_corpus(), config=CONFIG)


def test_too_little_text_is_refused(model: Model):
    with pytest.raises(BadRequest, match="does not fill"):
        reconstruction(model, planted_dictionary(model), planted_corpus(1), config=CONFIG)
    with pytest.raises(BadConfig):
        ReconstructionConfig(n_tokens=100)
