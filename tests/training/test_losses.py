import pytest
import torch
from torch.nn import functional

from hooke.training.config import TrainConfig
from hooke.training.losses import dense_loss
from hooke.training.weights import Weights

# Two features along the two axes, the encoder reading them off.
AXES = torch.eye(2)


def weights(threshold: float | None = None) -> Weights:
    log_threshold = None if threshold is None else torch.full((2,), threshold).log()
    return Weights(functional.pad(AXES, (0, 1)), 0.5 * AXES, torch.zeros(2), log_threshold)


X = torch.tensor([[4.0, 2.0, 1.0], [0.0, -1.0, 1.0]])


def loss(kind: str, sparsity: float = 0.0, threshold: float | None = None, **settings) -> float:
    config = TrainConfig(kind=kind, n_features=2, n_tokens=1, **({"k": 1} | settings))
    return float(dense_loss(weights(threshold), X, config, sparsity).loss)


def test_relu_by_hand():
    # x̂ = (2, 1) and (0, 0): squared errors 4 + 1 and 1; activations 4 + 2 times decoder norm 1/2.
    assert loss("relu") == pytest.approx((5 + 1) / 2)
    assert loss("relu", sparsity=10.0) == pytest.approx((5 + 1) / 2 + 10 * 3 / 2)


def test_jumprelu_by_hand():
    # Only the 4 is above 3: x̂ = (2, 0), squared errors 4 + 4 and 1; one active feature on two tokens.
    assert loss("jumprelu", threshold=3.0) == pytest.approx((8 + 1) / 2)
    assert loss("jumprelu", threshold=3.0, sparsity=10.0) == pytest.approx((8 + 1) / 2 + 10 / 2)


def test_topk_by_hand():
    # Token 1 keeps the 4; token 2 keeps its 0.
    assert loss("topk") == pytest.approx((8 + 1) / 2)
    assert loss("topk", sparsity=10.0) == pytest.approx((8 + 1) / 2)


def test_batchtopk_by_hand():
    # Two places for two tokens: the 4 and the 2, both of token 1.
    assert loss("batchtopk") == pytest.approx((5 + 1) / 2)


def test_matryoshka_by_hand():
    # Its first dictionary has the first feature only: x̂ = (2, 0); the second is batchtopk's. Their mean.
    assert loss("matryoshka", groups=(1, 2)) == pytest.approx(((8 + 1) / 2 + (5 + 1) / 2) / 2)


def test_gated_by_hand():
    # Gates are the pre-activations 4, 2 and 0, -1. Magnitudes are twice these, less 5: 3 and -1, so x̂ = (1.5, 0).
    gated = {"log_scale": torch.full((2,), 2.0).log(), "magnitude_bias": torch.tensor([-5.0, -5.0])}
    config = TrainConfig(kind="gated", n_features=2, n_tokens=1)
    made = Weights(functional.pad(AXES, (0, 1)), 0.5 * AXES, torch.zeros(2), **gated)
    # The gates alone reconstruct (2, 1) and (0, 0), as relu does.
    main, by_gate = (6.25 + 4 + 1) / 2, (5 + 1) / 2
    assert float(dense_loss(made, X, config, 0.0).loss) == pytest.approx(main + by_gate)
    assert float(dense_loss(made, X, config, 10.0).loss) == pytest.approx(main + by_gate + 10 * 6 / 2)
    assert dense_loss(made, X, config, 0.0).counts.tolist() == [1, 0]


def test_the_gates_own_reconstruction_moves_no_decoder():
    made = weights()
    gated = {"log_scale": torch.zeros(2), "magnitude_bias": torch.full((2,), -100.0)}
    closed = Weights(made.encoder, made.decoder.requires_grad_(), made.decoder_bias.requires_grad_(), **gated)
    loss = dense_loss(closed, X, TrainConfig(kind="gated", n_features=2, n_tokens=1), 0.0).loss
    decoder, bias = torch.autograd.grad(loss, (closed.decoder, closed.decoder_bias))
    # No magnitude is above 0: the decoder has no part in the reconstruction, and the bias has its part once.
    assert decoder.abs().max() == 0
    assert bias.tolist() == [2 * (-4 - 0) / 2, 2 * (-2 + 1) / 2]


def test_the_outcome_tells_who_fired():
    config = TrainConfig(kind="batchtopk", n_features=2, n_tokens=1, k=1)
    outcome = dense_loss(weights(), X, config, 0.0)
    assert outcome.counts.tolist() == [1, 1]
    assert outcome.threshold == 2.0
    assert outcome.share == 0.5
    assert outcome.error.tolist() == [[-2, -1], [0, 1]]
