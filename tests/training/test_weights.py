import math

import pytest
import torch

from hooke.training.config import TrainConfig
from hooke.training.losses import dense_loss
from hooke.training.weights import Weights, calibrate, first_weights, fold, geometric_median, prepare
from tests.dictionaries.test_dictionary import inputs

KINDS = {
    "relu": {},
    "topk": {"k": 3},
    "batchtopk": {"k": 3},
    "jumprelu": {},
    "matryoshka": {"k": 3, "groups": (16, 40)},
    "gated": {},
}


def config(kind: str = "topk", **changes) -> TrainConfig:
    return TrainConfig(**({"kind": kind, "n_features": 40, "n_tokens": 1000, **KINDS[kind]} | changes))


def scrambled(config: TrainConfig, d: int, seed: int = 0, d_out: int | None = None, n_targets: int = 1) -> Weights:
    """Weights as they could be in the middle of a training."""
    generator = torch.Generator().manual_seed(seed)
    weights = first_weights(config, d, generator=generator, d_out=d_out, n_targets=n_targets)
    for number, (_, tensor) in enumerate(weights.named()):
        tensor += 0.3 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed + number))
    if config.has_unit_rows:
        weights.decoder.div_(weights.decoder.norm(dim=1, keepdim=True))
    return weights


def test_calibrated_inputs_have_mean_squared_norm_d():
    x = 7 * inputs(1000, 5) + 100
    for centre in ("median", "mean", "zero"):
        found = calibrate(x, config(centre=centre))
        assert float(((x - found.centre) * found.scale).square().sum(1).mean()) == pytest.approx(5, rel=1e-4)
    torch.testing.assert_close(calibrate(x, config(centre="mean")).centre, x.mean(0))
    assert calibrate(x, config(centre="zero")).centre.tolist() == [0] * 5


def test_prepared_batches_are_scaled_and_end_with_a_one():
    x = 7 * inputs(10, 5) + 100
    units = calibrate(x, config())
    ready = prepare(x, units)
    torch.testing.assert_close(ready[:, :-1], (x - units.centre) * units.scale, rtol=1e-4, atol=1e-4)
    assert ready[:, -1].tolist() == [1] * 10


def test_long_inputs_are_shortened_and_keep_their_direction():
    x = inputs(1000, 5)
    usual = calibrate(x, config())
    x[7] *= 1e4
    # One token of a thousand moves neither centre nor scale by much, though it has nearly all of the squared norm.
    units = calibrate(x, config())
    assert units.scale == pytest.approx(usual.scale, rel=0.02)
    ready, median = prepare(x, units)[:, :-1], (x - units.centre).norm(dim=1).median() * units.scale
    assert float(ready.norm(dim=1).max()) == pytest.approx(5 * float(median), rel=1e-4)
    torch.testing.assert_close(torch.cosine_similarity(ready[7], x[7] - units.centre, dim=0), torch.tensor(1.0))
    untouched = calibrate(x, config(longest=math.inf))
    torch.testing.assert_close(prepare(x, untouched)[7, :-1], (x[7] - untouched.centre) * untouched.scale)


def test_a_constant_input_is_left_as_it_is():
    found = calibrate(torch.full((10, 3), 2.0), config())
    assert found.scale == 1.0
    assert found.centre.tolist() == [2.0] * 3
    assert prepare(torch.full((4, 3), 2.0), found).tolist() == [[0, 0, 0, 1]] * 4


def test_the_geometric_median_has_the_least_summed_distance_and_ignores_an_outlier():
    points = inputs(201, 3).double()
    found = geometric_median(points)

    def distance(middle: torch.Tensor) -> float:
        return float((points - middle).norm(dim=1).sum())

    for seed in range(5):
        assert distance(found) <= distance(found + 0.01 * inputs(3, seed=seed).double())
    points[0] = 1e6
    assert float((geometric_median(points) - found).norm()) < 0.05
    assert float((points.mean(0) - found).norm()) > 1000


def test_first_weights_are_unit_rows_with_the_encoder_equal_to_them():
    weights = first_weights(config("jumprelu"), 7, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(weights.decoder.norm(dim=1), torch.ones(40))
    assert torch.equal(weights.encoder[:, :-1], weights.decoder)
    assert weights.encoder[:, -1].tolist() == [0] * 40
    assert weights.log_threshold is not None
    torch.testing.assert_close(weights.log_threshold.exp(), torch.full((40,), 0.5))
    again = first_weights(config("topk"), 7, generator=torch.Generator().manual_seed(3))
    assert torch.equal(again.decoder, weights.decoder)
    assert again.log_threshold is None


@pytest.mark.parametrize("kind", KINDS)
def test_folding_leaves_the_reconstruction_unchanged(kind: str):
    # One token at a time, so that a batch's threshold is none of the others' business: the k largest of it.
    x = 20 * inputs(1, 6) - 3
    asked = config(kind)
    units, weights = calibrate(20 * inputs(200, 6, seed=5) - 3, asked), scrambled(asked, 6)
    outcome = dense_loss(weights, prepare(x, units), asked, 0.0)
    expected = x + outcome.error / units.scale
    # The batch's k-th largest is itself at the threshold; a token alone must be above.
    threshold = outcome.threshold * (1 - 1e-6)
    made = fold(weights, units, asked, threshold=threshold, name="a", model="b", site="resid_post.1")
    # Scaling by 20 and back leaves float32 errors of a few 1e-6 of values near 60.
    torch.testing.assert_close(made(x), expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(made.W_dec.norm(dim=1), torch.ones(40))
    assert int(made.encode(x).l0()) == int(outcome.counts.sum()) > 0


def test_a_gate_that_opens_below_zero_leaves_magnitudes_to_their_relu():
    asked = config("gated")
    units, weights = calibrate(inputs(200, 6), asked), scrambled(asked, 6)
    made = fold(weights, units, asked, threshold=0.0, name="a", model="b", site="resid_post.1")
    assert made.threshold is not None
    assert float(made.threshold.min()) == 0
    x = inputs(300, 6, seed=8)
    found = dense_loss(weights, prepare(x, units), asked, 0.0)
    torch.testing.assert_close(made(x), x + found.error / units.scale, rtol=1e-4, atol=1e-4)
    assert made.encode(x).dense().gt(0).sum(0).float().tolist() == found.counts.tolist()


def test_what_was_folded_is_recorded():
    asked = config("batchtopk", centre="mean")
    units = calibrate(3 * inputs(100, 6), asked)
    made = fold(scrambled(asked, 6), units, asked, threshold=1.0, name="a", model="b", site="resid_post.1")
    assert made.config.folded == (f"input_scale={units.scale:.6g}", "input_centre=mean")
    free = config("relu")
    of_relu = fold(scrambled(free, 6), units, free, threshold=0.0, name="a", model="b", site="resid_post.1")
    assert "decoder_norm" in of_relu.config.folded
    assert (made.config.k, made.config.reads, made.config.kind) == (3, ("resid_post.1",), "batchtopk")


@pytest.mark.parametrize("extra", [{}, {"tanh_slope": 2.0}])
@pytest.mark.parametrize("kind", KINDS)
def test_folding_a_transcoder_leaves_what_it_writes_unchanged(kind: str, extra: dict):
    asked = config(kind, skip=True, **(extra if kind in ("relu", "jumprelu") else {}))
    x, y = 20 * inputs(1, 6) - 3, 7 * inputs(1, 5, seed=3) + 2
    units, target_units = calibrate(20 * inputs(200, 6, seed=5) - 3, asked), calibrate(7 * inputs(200, 5) + 2, asked)
    weights = scrambled(asked, 6, d_out=5)
    target = prepare(y, target_units)[:, :-1]
    outcome = dense_loss(weights, prepare(x, units), asked, 0.0, target)
    expected = y + outcome.error / target_units.scale
    threshold = outcome.threshold * (1 - 1e-6)
    made = fold(
        weights, units, asked, threshold=threshold, name="a", model="b", site="mlp_in.1", target=target_units,
        writes="mlp_out.1",
    )  # fmt: skip
    torch.testing.assert_close(made(x), expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(made.W_dec.norm(dim=1), torch.ones(40))
    assert (made.config.reads, made.config.writes, made.config.skip) == (("mlp_in.1",), ("mlp_out.1",), True)
    assert f"output_scale={target_units.scale:.6g}" in made.config.folded


def test_first_weights_of_a_transcoder_read_and_write_different_directions():
    weights = first_weights(config(skip=True), 7, generator=torch.Generator().manual_seed(3), d_out=5, n_targets=3)
    assert weights.encoder.shape == (40, 8)
    assert weights.decoder.shape == (40, 15)
    torch.testing.assert_close(weights.encoder.norm(dim=1), torch.ones(40))
    torch.testing.assert_close(weights.decoder.norm(dim=1), torch.ones(40))
    assert weights.skip is not None
    assert weights.skip.shape == (7, 5)
