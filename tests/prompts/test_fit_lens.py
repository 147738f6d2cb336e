"""Fitting and measuring in one go."""

import pytest

from hooke.errors import BadRequest, UnsupportedModel
from hooke.prompts.fit_lens import LOGIT, fit_lens
from hooke.prompts.jacobian_lens import JacobianConfig
from hooke.prompts.lens_scores import ScoreConfig
from hooke.prompts.tuned_lens import TunedConfig
from hooke.text.windows import WindowConfig
from tests.models.tiny import tiny_model
from tests.prompts.lens_models import sentences, spoken_model

CUT = WindowConfig(context=32, batch=4)
SCORES = ScoreConfig(n_windows=8, every=2, windows=CUT)
TUNED = TunedConfig(n_tokens=1024, steps=10, windows=CUT)


def test_a_tuned_lens_beats_what_it_is_beside():
    text = sentences(400)
    lens = fit_lens(spoken_model(), "tuned", text, text, config=TUNED, scores=SCORES)
    scores = lens.manifest.scores
    assert scores is not None
    assert list(scores.lenses) == ["tuned lens", "least squares", "bias only", "mean stream", LOGIT]
    for layer in range(2):
        own, *others = (scores.lenses[name][layer].kl.value for name in scores.lenses if name != "least squares")
        assert own < min(others)
    assert lens.manifest.name == "spoken-tuned"
    assert lens.manifest.fingerprint == "weights-of-spoken"
    assert lens.manifest.settings["steps"] == 10


def test_a_jacobian_lens_and_its_control():
    config = JacobianConfig(n_windows=8, context=16)
    lens = fit_lens(spoken_model(), "jacobian", sentences(400), sentences(90, "held"), config=config, scores=SCORES)
    scores = lens.manifest.scores
    assert scores is not None
    assert scores.corpus == "held"
    own, shuffled = (scores.lenses[name][1].kl.value for name in ("jacobian lens", "Jacobian of shuffled directions"))
    assert own < shuffled
    assert "exact vector-Jacobian products" in lens.manifest.method
    assert not lens.maps.biases.any()


def test_text_that_was_fitted_on_is_not_measured(monkeypatch: pytest.MonkeyPatch):
    starts = []
    monkeypatch.setattr("hooke.prompts.fit_lens.lens_scores", lambda *_, start, **__: starts.append(start))
    for heldout in ("sentences", "held"):
        fit_lens(spoken_model(), "tuned", sentences(400), sentences(400, heldout), config=TUNED, scores=SCORES)
    config = JacobianConfig(n_windows=3, context=16)
    fit_lens(spoken_model(), "jacobian", sentences(400), sentences(400), config=config, scores=SCORES)
    assert starts == [1024 // 32 + 10 * 4, 0, 2]


def test_nothing_is_measured_where_nothing_is_asked():
    scores = ScoreConfig(n_windows=0, windows=CUT)
    lens = fit_lens(spoken_model(), "tuned", sentences(400), sentences(400), config=TUNED, scores=scores, name="mine")
    assert lens.manifest.scores is None
    assert lens.manifest.name == "mine"


def test_what_cannot_be_fitted_is_refused():
    text = sentences(4)
    with pytest.raises(BadRequest, match="not fitted"):
        fit_lens(spoken_model(), "logit", text, text)
    with pytest.raises(BadRequest, match="Kinds"):
        fit_lens(spoken_model(), "tuning", text, text)
    with pytest.raises(UnsupportedModel, match="one layer"):
        fit_lens(tiny_model("llama", num_hidden_layers=1), "tuned", text, text)
