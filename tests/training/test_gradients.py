import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hooke.training.config import TrainConfig
from hooke.training.gradients import sparse_gradients
from hooke.training.losses import dense_loss
from hooke.training.select import select
from hooke.training.weights import Weights
from tests.dictionaries.test_dictionary import inputs
from tests.training.test_weights import KINDS, config, scrambled

D = 12


def prepared(asked: TrainConfig) -> Weights:
    weights = scrambled(asked, D)
    for _, tensor in weights.named():
        tensor.requires_grad_()
        tensor.grad = torch.full_like(tensor, torch.nan)
    return weights


def batch() -> Tensor:
    return functional.pad(inputs(50, D), (0, 1), value=1.0)


def compare(asked: TrainConfig, x: Tensor, last_threshold: float = 0.0) -> None:
    weights = prepared(asked)
    dense = dense_loss(weights, x, asked, 0.7)
    names = [name for name, _ in weights.named()]
    tensors = [tensor for _, tensor in weights.named()]
    expected = dict(zip(names, torch.autograd.grad(dense.loss, tensors), strict=True))
    with torch.no_grad():
        active = select(weights, x, asked, buffer=torch.empty(16, asked.n_features), last_threshold=last_threshold)
    found = sparse_gradients(weights, x, active, asked, 0.7)
    for name, tensor in weights.named():
        assert tensor.grad is not None
        # Sums of some hundred float32 products in two orders, relative to the largest gradient of the tensor.
        size = float(expected[name].abs().max())
        assert size > 0, name
        torch.testing.assert_close(tensor.grad, expected[name], rtol=1e-4, atol=1e-5 * size)
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


def test_nested_dictionaries_with_an_empty_group_for_some_tokens():
    compare(config("matryoshka", groups=(1, 2, 5, 40), k=2), batch())


def test_topk_with_fewer_positive_than_k():
    compare(config("topk", k=39), batch())


def test_batchtopk_with_fewer_positive_than_k():
    compare(config("batchtopk", k=39), batch(), 1.0)
