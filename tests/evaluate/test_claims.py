"""On the planted world, where what is right is known; and a two-layer world where the layers differ."""

import dataclasses

import pytest
import torch

from hooke.configs import from_dict, to_dict
from hooke.dictionaries import Dictionary
from hooke.dictionaries.claims import Claims
from hooke.errors import BadConfig, ShapeMismatch
from hooke.evaluate.claims import Checked, ClaimsConfig, check_claims
from hooke.models.model import Model
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, windows
from tests.evaluate.relu_model import perfect, relu_model, text
from tests.features.planted import planted_corpus, planted_dictionary, planted_model

WINDOWS = WindowConfig(context=16, batch=4)
CONFIG = ClaimsConfig(n_tokens=320, n_layer_tokens=128, windows=WINDOWS)


@pytest.fixture(scope="module")
def relu() -> tuple[Model, Corpus, Dictionary]:
    """A model whose MLP of layer 1 a dictionary of its own neurons reconstructs exactly."""
    model = relu_model()
    return model, text(), perfect(model).transcoder(1)


def check(model: Model, corpus: Corpus, dictionary: Dictionary, **changes) -> Checked:
    return check_claims(model, dictionary, corpus, config=dataclasses.replace(CONFIG, **changes))


def again(dictionary: Dictionary, *, weights: dict | None = None, **changes) -> Dictionary:
    tensors = {**dictionary.state_dict(), **(weights or {})}
    return Dictionary(dataclasses.replace(dictionary.config, **changes), **tensors)


def l0_of(model: Model, corpus: Corpus, dictionary: Dictionary) -> float:
    acts = []
    for batch in windows(corpus, model.tokenizer, WINDOWS, stop=20):
        x = model.run(batch.tokens, capture=[dictionary.reads[0]], logits=False)[dictionary.reads[0]]
        acts.append((dictionary.encode(x[batch.counted]).dense() > 0).sum(-1))
    return float(torch.cat(acts).float().mean())


def test_true_claims_hold(relu):
    model, corpus, dictionary = relu
    l0 = l0_of(model, corpus, dictionary)
    said = Claims(source="the card", l0=l0, fvu=0.01, first_token=True)
    found = check(model, corpus, again(dictionary, claims=said))
    assert [(one.claimed, one.outcome) for one in found.verdicts] == [(l0, "holds"), (0.01, "holds"), (1.0, "holds")]
    assert found.doubts == ()
    assert found.verdicts[0].measured.value == pytest.approx(l0)
    assert found.verdicts[0].control == pytest.approx(round(l0), abs=1)
    assert found.verdicts[1].measured.value == pytest.approx(0, abs=1e-9)
    assert from_dict(Checked, to_dict(found)) == found
    assert found.findings()[0].claim == "perfect.1: active features per token"


def test_false_claims_differ_and_are_said(relu):
    model, corpus, dictionary = relu
    halved = again(dictionary, weights={"W_dec": dictionary.W_dec * 0.4})
    found = check(model, corpus, again(halved, claims=Claims(source="config.json", l0=2.0, fvu=0.001)))
    assert [one.outcome for one in found.verdicts] == ["differs", "differs", "not said"]
    assert "active features per token should be 2 by config.json" in found.doubts[0]
    assert "variance unexplained should be 0.001" in found.doubts[1]


def test_what_is_not_said_is_measured_all_the_same(relu):
    found = check(*relu)
    assert [(one.claimed, one.outcome) for one in found.verdicts] == [(None, "not said")] * 3


def test_a_topk_that_was_read_as_relu_is_caught_by_its_number_of_features(relu):
    model, corpus, dictionary = relu
    right = check(model, corpus, again(dictionary, kind="topk", k=6), n_layer_tokens=0)
    assert (right.verdicts[0].claimed, right.verdicts[0].source, right.verdicts[0].outcome) == (6, "its k", "holds")
    misread = again(dictionary, kind="relu", claims=Claims(source="cfg.json, k", l0=6.0))
    found = check(model, corpus, misread, n_layer_tokens=0)
    assert found.verdicts[0].outcome == "differs"
    assert found.verdicts[1].measured.value == pytest.approx(0, abs=1e-9), "its reconstruction alone would not tell"


def test_the_layer_that_it_fits_better_is_named(relu):
    model, corpus, dictionary = relu
    own = check(model, corpus, dictionary)
    assert [fit.layer for fit in own.layers] == [layer for layer in range(model.n_layers) if layer != 1]
    assert min(fit.worse.interval[0] for fit in own.layers) > 0
    elsewhere = again(dictionary, reads=("mlp_in.0",), writes=("mlp_out.0",))
    with pytest.raises(ShapeMismatch, match="It fits mlp_out.1 better than mlp_out.0"):
        check(model, corpus, elsewhere)


def test_layers_need_not_be_compared(relu):
    found = check(*relu, n_layer_tokens=0)
    assert (found.layers, len(found.verdicts)) == ((), 2)
    with pytest.raises(BadConfig, match="too few to compare layers"):
        ClaimsConfig(n_layer_tokens=16, windows=WINDOWS)


def test_a_decoder_that_was_turned_round_is_refused(relu):
    model, corpus, dictionary = relu
    swapped = dictionary.W_dec.T.contiguous().reshape(dictionary.W_dec.shape)
    with pytest.raises(ShapeMismatch, match="it is no better than the mean"):
        check(model, corpus, again(dictionary, weights={"W_dec": swapped * 3}))


def test_another_model_of_the_same_widths_is_refused(relu):
    model, corpus, dictionary = relu
    other = relu_model()
    torch.manual_seed(5)
    for block in other.hf.transformer.h:
        torch.nn.init.normal_(block.mlp.c_fc.weight, std=0.3)
        torch.nn.init.normal_(block.mlp.c_proj.weight, std=0.3)
    with pytest.raises(ShapeMismatch, match="belongs to another model"):
        check(
            Model(other.hf, model.tokenizer, name="other"),
            corpus,
            again(dictionary, weights={"W_dec": 3 * dictionary.W_dec}),
        )


def test_another_width_is_refused_before_anything_is_run(relu):
    model, corpus, _ = relu
    with pytest.raises(ShapeMismatch, match="does not fit the model"):
        check(model, corpus, planted_dictionary(planted_model()))


def test_a_dictionary_worse_than_a_random_one_is_doubted():
    model, corpus = planted_model(), planted_corpus()
    width = model.d_model
    batches = windows(corpus, model.tokenizer, WINDOWS, stop=20)
    mean = torch.cat([torch.eye(model.d_vocab, width)[one.tokens[one.counted]] for one in batches]).mean(0)
    config = dataclasses.replace(planted_dictionary(model).config, n_features=width)
    eye, none = torch.eye(width), torch.zeros(width)
    weak = Dictionary(config, W_enc=eye, b_enc=none, W_dec=0.02 * eye, b_dec=0.98 * mean)
    assert any("A random dictionary leaves less" in doubt for doubt in check(model, corpus, weak).doubts)


def test_first_tokens_that_should_be_known_and_are_not_are_told(relu):
    model, corpus, dictionary = relu
    said = again(dictionary, claims=Claims(source="the card", first_token=True))
    found = check(model, corpus, said)
    assert found.verdicts[2].measured.value == pytest.approx(0, abs=1e-6)
