import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.dictionaries.activation_functions import (
    batch_threshold,
    groupmax,
    jumprelu,
    near,
    relu,
    soft_jumprelu,
    soft_step,
    topk,
)

PRE = torch.tensor([[-1.0, 0.2, 0.45, 0.55, 2.0]])
LOG_THRESHOLD = torch.full((5,), 0.5).log()


def test_relu_and_jumprelu_on_numbers_written_out():
    torch.testing.assert_close(relu(PRE), torch.tensor([[0.0, 0.2, 0.45, 0.55, 2.0]]))
    torch.testing.assert_close(jumprelu(PRE, torch.tensor(0.5)), torch.tensor([[0.0, 0.0, 0.0, 0.55, 2.0]]))
    # A negative threshold never lets a negative activation through.
    torch.testing.assert_close(jumprelu(PRE, torch.tensor(-2.0)), relu(PRE))


def test_topk_keeps_places_of_negative_ones_with_value_zero():
    acts = topk(torch.tensor([[-3.0, 1.0, -1.0]]), 2)
    assert acts.values.tolist() == [[1.0, 0.0]]
    assert acts.indices.tolist() == [[1, 2]]


@given(k=st.integers(1, 7), seed=st.integers(0, 999))
def test_batch_threshold_keeps_k_per_token_on_the_mean(k: int, seed: int):
    pre = torch.rand(30, 8, generator=torch.Generator().manual_seed(seed)) + 0.01
    assert int((pre >= batch_threshold(pre, k)).sum()) == 30 * k


def test_batch_threshold_is_not_negative():
    assert float(batch_threshold(-torch.ones(3, 4), 2)) == 0.0


def test_near_is_a_rectangle_of_the_bandwidth():
    assert near(PRE, torch.tensor(0.5), 0.2).tolist() == [[False, False, True, True, False]]


def test_soft_step_has_the_ramp_as_gradient():
    pre, log_threshold = PRE.clone().requires_grad_(), LOG_THRESHOLD.clone().requires_grad_()
    step = soft_step(pre, log_threshold, 0.2, to_pre=True)
    assert step.tolist() == [[0, 0, 0, 1, 1]]
    step.sum().backward()
    # 1 / bandwidth = 5 where near; d threshold / d log threshold = 0.5.
    torch.testing.assert_close(pre.grad, torch.tensor([[0.0, 0.0, 5.0, 5.0, 0.0]]))
    torch.testing.assert_close(log_threshold.grad, torch.tensor([0.0, 0.0, -2.5, -2.5, 0.0]))


def test_soft_step_leaves_the_encoder_alone_unless_asked():
    pre = PRE.clone().requires_grad_()
    step = soft_step(pre, LOG_THRESHOLD.clone().requires_grad_(), 0.2, to_pre=False)
    assert torch.autograd.grad(step.sum(), pre, allow_unused=True) == (None,)


def test_soft_jumprelu_has_the_threshold_as_height_of_its_jump():
    pre, log_threshold = PRE.clone().requires_grad_(), LOG_THRESHOLD.clone().requires_grad_()
    step = soft_step(pre, log_threshold, 0.2, to_pre=False)
    acts = soft_jumprelu(pre, step, log_threshold)
    torch.testing.assert_close(acts, jumprelu(PRE, torch.tensor(0.5)))
    acts.sum().backward()
    torch.testing.assert_close(pre.grad, torch.tensor([[0.0, 0.0, 0.0, 1.0, 1.0]]))
    # -(threshold / bandwidth) · d threshold / d log threshold = -(0.5 / 0.2) · 0.5 where near.
    torch.testing.assert_close(log_threshold.grad, torch.tensor([0.0, 0.0, -1.25, -1.25, 0.0]))


def test_groupmax_keeps_the_largest_of_each_group_of_neighbours():
    acts = groupmax(torch.tensor([[1.0, 3.0, 5.0, 4.0, -2.0, -1.0]]), 3)
    assert acts.values.tolist() == [[5.0, 3.0, 0.0]]
    assert acts.indices.tolist() == [[2, 1, 5]]
