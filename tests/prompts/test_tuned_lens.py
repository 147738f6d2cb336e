"""Fitting a tuned lens: the least-squares start against its definition, the descent against the start, and controls."""

import pytest
import torch

from hooke.errors import BadConfig, BadRequest
from hooke.prompts.tuned_lens import AffineMaps, TunedConfig, TunedFit, fit_tuned
from hooke.sites import Site
from hooke.text.windows import WindowConfig, windows
from tests.prompts.lens_models import sentences, spoken_model

CUT = WindowConfig(context=32, batch=4)


def streams(start: int, stop: int) -> list[torch.Tensor]:
    """The streams behind each layer at the tokens that count."""
    model = spoken_model()
    sites = [Site("resid_post", layer) for layer in range(model.n_layers)]
    parts = []
    for batch in windows(sentences(900), model.tokenizer, CUT, start=start, stop=stop):
        run = model.run(batch.tokens, capture=sites, logits=False)
        parts.append([run[site][batch.counted] for site in sites])
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]


def divergence(maps: AffineMaps, read: list[torch.Tensor], layer: int) -> float:
    """Mean KL of the model's prediction from the lens's."""
    model = spoken_model()
    with torch.no_grad():
        p = model.unembed(read[-1]).log_softmax(-1)
        q = model.unembed(maps(read[layer], layer)).log_softmax(-1)
    return float((p.exp() * (p - q)).sum(-1).mean())


@pytest.fixture(scope="module")
def fit() -> TunedFit:
    config = TunedConfig(n_tokens=2048, steps=40, windows=CUT, lr=1e-2)
    return fit_tuned(spoken_model(), sentences(900), config, seed=3)


def test_the_start_is_the_weighted_least_squares_map(fit: TunedFit):
    read = [one.double() for one in streams(0, 64)]
    weight = 1 / read[-1].square().mean(-1)
    x, y = read[0], read[-1] - read[0]
    mean, middle = ((weight[:, None] * one).sum(0) / weight.sum() for one in (x, y))
    root = weight.sqrt()[:, None]
    covariance = ((x - mean) * root).T @ ((x - mean) * root) / weight.sum()
    ridge = (1e-3 * covariance.diagonal().mean() * weight.sum()).sqrt() * torch.eye(len(mean), dtype=torch.float64)
    # Rows of the ridge stand below the tokens', so that plain least squares gives the ridge's map.
    left, right = torch.cat([(x - mean) * root, ridge]), torch.cat([(y - middle) * root, torch.zeros_like(ridge)])
    expected = torch.linalg.lstsq(left, right).solution
    torch.testing.assert_close(fit.least_squares.weights[0].double() - torch.eye(32), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(fit.least_squares.biases[0].double(), middle - mean @ expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(fit.shift.biases[0].double(), middle, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(fit.constant(x[:2], 1).double(), (mean + middle).expand(2, -1), atol=1e-4, rtol=1e-3)


def test_the_descent_comes_nearer_than_the_start_and_the_controls(fit: TunedFit):
    read = streams(240, 280)
    for layer in range(2):
        tuned, start, shift, constant = (
            divergence(maps, read, layer) for maps in (fit.tuned, fit.least_squares, fit.shift, fit.constant)
        )
        assert tuned < 0.98 * start < min(shift, constant)


def test_the_last_layer_is_left_as_it_is(fit: TunedFit):
    last = streams(0, 4)[-1]
    for maps in (fit.tuned, fit.least_squares, fit.shift):
        assert torch.equal(maps(last, 2), last)


def test_a_draw_of_the_vocabulary_descends_too(fit: TunedFit):
    config = TunedConfig(n_tokens=2048, steps=40, windows=CUT, lr=1e-2, n_drawn=40)
    drawn = fit_tuned(spoken_model(), sentences(900), config, seed=3)
    read = streams(240, 280)
    assert divergence(drawn.tuned, read, 0) < divergence(fit.least_squares, read, 0)
    again = fit_tuned(spoken_model(), sentences(900), config, seed=3)
    assert torch.equal(drawn.tuned.weights, again.tuned.weights)
    other = fit_tuned(spoken_model(), sentences(900), config, seed=4)
    assert not torch.equal(drawn.tuned.weights, other.tuned.weights)


def test_no_steps_leave_the_start():
    config = TunedConfig(n_tokens=512, steps=0, windows=CUT)
    found = fit_tuned(spoken_model(), sentences(900), config)
    assert torch.equal(found.tuned.weights, found.least_squares.weights)
    assert 0.8 * 512 < found.n_tokens < 512


def test_too_little_text_is_refused():
    with pytest.raises(BadRequest, match="too little text"):
        fit_tuned(spoken_model(), sentences(20), TunedConfig(n_tokens=2048, steps=1, windows=CUT))
    with pytest.raises(BadRequest, match="too little text"):
        fit_tuned(spoken_model(), sentences(20), TunedConfig(n_tokens=64, steps=50, windows=CUT))


@pytest.mark.parametrize("wrong", [{"n_tokens": 10}, {"steps": -1}, {"lr": 0.0}, {"ridge": 0.0}, {"n_drawn": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, float]):
    with pytest.raises(BadConfig):
        TunedConfig(**wrong)  # pyright: ignore[reportArgumentType]
