import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hooke.training.config import TrainConfig
from hooke.training.gradients import sparse_gradients, sparse_joint_gradients
from hooke.training.losses import dense_joint_loss, dense_loss
from hooke.training.select import Active, select
from hooke.training.weights import Weights
from tests.dictionaries.test_dictionary import inputs
from tests.training.test_weights import KINDS, config, scrambled

D = 12


def prepared(asked: TrainConfig, **shape) -> Weights:
    weights = scrambled(asked, D, **shape)
    for _, tensor in weights.named():
        tensor.requires_grad_()
        tensor.grad = torch.full_like(tensor, torch.nan)
    return weights


def batch(seed: int = 1) -> Tensor:
    return functional.pad(inputs(50, D, seed=seed), (0, 1), value=1.0)


def active_of(weights: Weights, x: Tensor, asked: TrainConfig, last_threshold: float = 0.0) -> Active:
    with torch.no_grad():
        return select(weights, x, asked, buffer=torch.empty(16, asked.n_features), last_threshold=last_threshold)


def require_equal(weights: Weights, expected: dict[str, Tensor]) -> None:
    for name, tensor in weights.named():
        assert tensor.grad is not None
        # Sums of some hundred float32 products in two orders, relative to the largest gradient of the tensor.
        size = float(expected[name].abs().max())
        assert size > 0, name
        torch.testing.assert_close(tensor.grad, expected[name], rtol=1e-4, atol=1e-5 * size)


def gradients(loss: Tensor, weights: Weights) -> dict[str, Tensor]:
    names, tensors = zip(*weights.named(), strict=True)
    found = torch.autograd.grad(loss, tensors, retain_graph=True)
    return dict(zip(names, found, strict=True))


def compare(asked: TrainConfig, x: Tensor, last_threshold: float = 0.0, target: Tensor | None = None) -> None:
    weights = prepared(asked, d_out=None if target is None else target.shape[1])
    dense = dense_loss(weights, x, asked, 0.7, target)
    expected = gradients(dense.loss, weights)
    found = sparse_gradients(weights, x, active_of(weights, x, asked, last_threshold), asked, 0.7, target)
    require_equal(weights, expected)
    torch.testing.assert_close(found.loss, dense.loss.detach())
    torch.testing.assert_close(found.error, dense.error, rtol=1e-4, atol=1e-4)
    assert torch.equal(found.counts, dense.counts)
    # Places that topk gives to negative pre-activations count here, but do not fire.
    assert found.share >= dense.share - 1e-9
    assert found.threshold == pytest.approx(dense.threshold)


@pytest.mark.parametrize("kind", KINDS)
def test_the_closed_form_is_the_gradient_of_the_loss(kind: str):
    compare(config(kind), batch())


@pytest.mark.parametrize("kind", ["batchtopk", "matryoshka"])
@pytest.mark.parametrize("last_threshold", [0.01, 2.0, 1e6])
def test_the_last_threshold_is_a_hint_and_changes_nothing(kind: str, last_threshold: float):
    compare(config(kind), batch(), last_threshold)


def test_the_ramp_may_reach_the_encoder():
    compare(config("jumprelu", ste_to_encoder=True, bandwidth=2.0), batch())


def test_a_gates_pairs_whose_magnitude_is_below_zero():
    asked = config("gated")
    weights, x = prepared(asked), batch()
    with torch.no_grad():
        assert weights.magnitude_bias is not None
        weights.magnitude_bias.sub_(1)
    dense = dense_loss(weights, x, asked, 0.7)
    expected = gradients(dense.loss, weights)
    found = sparse_gradients(weights, x, active_of(weights, x, asked), asked, 0.7)
    require_equal(weights, expected)
    assert float(found.counts.sum()) < 0.7 * found.share * len(x) * 40


def test_nested_dictionaries_with_an_empty_group_for_some_tokens():
    compare(config("matryoshka", groups=(1, 2, 5, 40), k=2), batch())


def test_topk_with_fewer_positive_than_k():
    compare(config("topk", k=39), batch())


def test_batchtopk_with_fewer_positive_than_k():
    compare(config("batchtopk", k=39), batch(), 1.0)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_of_its_own_and_a_skip(kind: str, skip: bool):
    compare(config(kind, skip=skip), batch(), target=inputs(50, 7, seed=9))


@pytest.mark.parametrize("to_encoder", [False, True])
@pytest.mark.parametrize("kind", ["relu", "jumprelu"])
@pytest.mark.parametrize(
    "extra", [{"tanh_slope": 2.0}, {"pre_activation": 0.3}, {"tanh_slope": 2.0, "pre_activation": 0.3}]
)
def test_the_penalties_that_see_decoder_norms(kind: str, extra: dict, to_encoder: bool):
    compare(config(kind, ste_to_encoder=to_encoder, bandwidth=2.0, **extra), batch(), target=inputs(50, 7, seed=9))


@pytest.mark.parametrize("kind", ["relu", "topk", "batchtopk", "jumprelu"])
def test_layers_that_write_to_later_ones(kind: str):
    extra = {"tanh_slope": 2.0, "pre_activation": 0.3} if kind == "jumprelu" else {}
    asked = config(kind, skip=True, **extra)
    layers = [prepared(asked, seed=10 * layer, d_out=7, n_targets=3 - layer) for layer in range(3)]
    xs, targets = [batch(layer) for layer in range(3)], [inputs(50, 7, seed=20 + layer) for layer in range(3)]
    dense = dense_joint_loss(layers, xs, asked, 0.7, targets)
    total = torch.stack([outcome.loss for outcome in dense]).sum()
    expected = [gradients(total, weights) for weights in layers]
    actives = [active_of(weights, x, asked) for weights, x in zip(layers, xs, strict=True)]
    found = sparse_joint_gradients(layers, xs, actives, asked, 0.7, targets)
    for weights, one in zip(layers, expected, strict=True):
        require_equal(weights, one)
    for ours, theirs in zip(found, dense, strict=True):
        torch.testing.assert_close(ours.loss, theirs.loss.detach())
        torch.testing.assert_close(ours.error, theirs.error, rtol=1e-4, atol=1e-4)
        assert torch.equal(ours.counts, theirs.counts)


def loss_over_the_threshold(theta: float, pre: Tensor, asked: TrainConfig) -> Tensor:
    """The loss of one feature with decoder 1, a target of 3 everywhere, and its count: stepwise in theta."""
    is_active = pre > theta
    return ((pre * is_active - 3).square() + 0.7 * is_active).double().mean()


@pytest.mark.parametrize("to_encoder", [False, True])
def test_the_threshold_gradient_is_that_of_the_expected_loss(to_encoder: bool):
    # Inputs spread evenly around the threshold: there the expected loss is smooth, and its slope at a distance that
    # the ramp spans is what the ramp stands for. The factor theta of the logarithm must be there once.
    theta, bandwidth, n = 1.3, 0.2, 200_001
    asked = TrainConfig(
        kind="jumprelu", n_features=1, n_tokens=1, bandwidth=bandwidth, ste_to_encoder=to_encoder, k_aux=0
    )
    pre = torch.linspace(theta - 0.5, theta + 0.5, n)
    x = torch.stack([pre, torch.ones(n)], dim=1)
    weights = Weights(torch.tensor([[1.0, 0.0]]), torch.ones(1, 1), torch.zeros(1), torch.tensor([theta]).log())
    for _, tensor in weights.named():
        tensor.requires_grad_()
        tensor.grad = torch.zeros_like(tensor)
    target = torch.full((n, 1), 3.0)
    with torch.no_grad():
        active = select(weights, x, asked, buffer=torch.empty(n, 1), last_threshold=0.0)
    sparse_gradients(weights, x, active, asked, 0.7, target)
    step = bandwidth / 2
    slope = (loss_over_the_threshold(theta + step, pre, asked) - loss_over_the_threshold(theta - step, pre, asked)) / (
        2 * step
    )
    assert weights.log_threshold is not None
    # The ramp takes the reconstruction's gradient at each input, the difference its mean over the ramp: they agree to
    # first order in the bandwidth, here to some percent.
    assert float(weights.log_threshold.grad) == pytest.approx(theta * float(slope), rel=0.05)
    # The encoder's bias moves every input up, which is the threshold moved down, plus what the active ones gain.
    at_active = float((2 * (pre - 3) * (pre > theta)).double().mean())
    expected = at_active - float(weights.log_threshold.grad) / theta if to_encoder else at_active
    assert float(weights.encoder.grad[0, 1]) == pytest.approx(expected, rel=1e-3)


def test_mass_that_moves_between_a_features_targets_leaves_the_penalty_alone():
    asked = config("jumprelu", tanh_slope=2.0)
    x, target = batch(), inputs(50, 7, seed=9)
    weights = scrambled(asked, D, d_out=7, n_targets=2)
    one, both = weights.decoder.clone(), weights.decoder.clone()
    length = one[:, :7].norm(dim=1, keepdim=True)
    one[:, 7:] = 0
    both[:, :7] = 0.6 * one[:, :7]
    both[:, 7:] = 0.8 * length * functional.normalize(both[:, 7:], dim=1)
    penalties = []
    for decoder in (one, both):
        moved = Weights(weights.encoder, decoder, weights.decoder_bias, weights.log_threshold)
        other = scrambled(asked, D, seed=5, d_out=7)
        layers, xs, targets = [moved, other], [x, x], [target, target]
        losses = [
            sum(float(one.loss) for one in dense_joint_loss(layers, xs, asked, sparsity, targets))
            for sparsity in (0.0, 1.0)
        ]
        penalties.append(losses[1] - losses[0])
    assert penalties[0] == pytest.approx(penalties[1], rel=1e-4)
    assert penalties[0] > 1
    # Without the second part it would be smaller: the norm is of both.
    both[:, 7:] = 0
    halved = Weights(weights.encoder, both, weights.decoder_bias, weights.log_threshold)
    lost = [
        sum(float(one.loss) for one in dense_joint_loss([halved, other], xs, asked, sparsity, targets))
        for sparsity in (0.0, 1.0)
    ]
    assert lost[1] - lost[0] < 0.97 * penalties[0]
