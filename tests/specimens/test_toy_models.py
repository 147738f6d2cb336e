"""Toy models: gradients, what they learn, snapshots, and the linear control."""

import pytest
import torch
from torch import Generator

from hooke.errors import BadConfig
from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_models import Toys, ToyTraining, _gradients, rebuild, train_toys

IS_LINEAR = torch.tensor([False, True])


def trained(n_steps: int = 400, **changes) -> Toys:
    settings = {"training": ToyTraining(n_steps=n_steps, lr=1e-2, batch=128), "generator": Generator().manual_seed(0)}
    draw = independent(torch.full((2,), 0.05), 4)
    return train_toys(draw, torch.ones(2, 4), 2, IS_LINEAR, **(settings | changes))


def test_gradients_by_hand_are_those_of_autograd():
    generator = Generator().manual_seed(1)
    weights = torch.randn(2, 4, 2, generator=generator)
    bias = 0.1 * torch.randn(2, 4, generator=generator)
    importance = torch.rand(2, 4, generator=generator)
    x = torch.rand(2, 50, 4, generator=generator)
    losses = _gradients(weights, bias, IS_LINEAR, importance, x)
    traced, traced_bias = weights.clone().requires_grad_(), bias.clone().requires_grad_()
    error = rebuild(traced, traced_bias, IS_LINEAR, x) - x
    expected = (error.square() * importance[:, None]).sum(-1).mean(1)
    expected.sum().backward()
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(weights.grad, traced.grad)
    torch.testing.assert_close(bias.grad, traced_bias.grad)


def test_a_relu_lets_sparse_features_share_and_a_linear_model_cannot():
    toys = trained()
    squares = toys.weights.square().sum((-1, -2))
    assert float(squares[0]) > 3.2
    assert float(squares[1]) == pytest.approx(2, abs=0.2)
    assert float(toys.losses[0]) < 0.5 * float(toys.losses[1])


def test_the_same_seed_gives_the_same_weights():
    first, again = trained(30), trained(30)
    assert torch.equal(first.weights, again.weights)
    other = trained(30, generator=Generator().manual_seed(1))
    assert not torch.equal(first.weights, other.weights)


def test_snapshots_are_of_the_steps_asked_for_and_do_not_change_the_training():
    toys = trained(30, snapshots=(0, 10, 30))
    assert toys.steps == (0, 10, 30)
    assert toys.history is not None
    assert toys.history_losses is not None
    assert toys.history_losses.shape == (3, 2)
    assert torch.equal(toys.history[-1], toys.weights)
    assert not torch.equal(toys.history[0], toys.history[1])
    assert torch.equal(toys.weights, trained(30).weights)


def test_the_best_of_some_has_the_lowest_loss():
    weights = torch.arange(4.0)[:, None, None]
    losses = torch.tensor([3.0, 1.0, 2.0, 5.0])
    toys = Toys(weights=weights, bias=torch.zeros(4, 1), is_linear=torch.zeros(4, dtype=torch.bool), losses=losses)
    assert toys.best_of(2).weights.flatten().tolist() == [1, 2]
    assert toys.best_of(2).losses.tolist() == [1, 2]


@pytest.mark.parametrize("wrong", [{"n_steps": 0}, {"batch": -1}, {"lr": 0.0}])
def test_settings_without_sense_are_refused(wrong: dict):
    with pytest.raises(BadConfig, match="cannot be"):
        ToyTraining(**wrong)
