"""Activation functions of dictionaries, and the gradients that training gives to those that jump."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd import Function

from hooke.dictionaries.sparse import SparseActs, largest


def relu(pre: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """max(pre, 0)."""
    return torch.relu(pre)


def jumprelu(pre: Float[Tensor, "*batch"], threshold: Float[Tensor, "*thresholds"]) -> Float[Tensor, "*batch"]:
    """relu(pre) where pre is strictly above the threshold, else 0."""
    return torch.where(pre > threshold, torch.relu(pre), 0)


def topk(pre: Float[Tensor, "token feature"], k: int) -> SparseActs:
    """The k largest pre-activations of each token, those that are negative set to 0."""
    values, indices = largest(pre, k)
    return SparseActs(torch.relu(values), indices, pre.shape[-1])


def batch_threshold(pre: Float[Tensor, "token feature"], k: int) -> Float[Tensor, ""]:
    """What the `k · tokens` largest positive pre-activations of a batch are all at or above.

    As a fixed threshold it gives the same mean number of active features to tokens that come alone (Bussmann 2024).
    """
    flat = pre.flatten()
    return flat.topk(min(k * len(pre), len(flat))).values[-1].clamp(min=0)


def near(
    pre: Float[Tensor, "*batch"], threshold: Float[Tensor, "*thresholds"], bandwidth: float
) -> Bool[Tensor, "*batch"]:
    """Where a rectangle of this width around the threshold is not 0: |pre − threshold| < bandwidth / 2."""
    return (pre - threshold).abs() < bandwidth / 2


class StraightThroughJumpReLU(Function):
    """relu(pre) above exp(log_threshold); the jump is a ramp of the given width in the gradient (Rajamanoharan 2024).

    d/d threshold = −(threshold / bandwidth) where near. With `to_encoder` the same, positive, reaches pre too.
    """

    @staticmethod
    def forward(ctx: Any, pre: Tensor, log_threshold: Tensor, bandwidth: float, to_encoder: bool) -> Tensor:
        ctx.save_for_backward(pre, log_threshold)
        ctx.bandwidth, ctx.to_encoder = bandwidth, to_encoder
        return jumprelu(pre, log_threshold.exp())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        pre, log_threshold = ctx.saved_tensors
        threshold = log_threshold.exp()
        jump = grads[0] * near(pre, threshold, ctx.bandwidth) * threshold / ctx.bandwidth
        to_pre = grads[0] * (pre > threshold) + (jump if ctx.to_encoder else 0)
        return to_pre, -(jump * threshold).sum(0), None, None


class StraightThroughStep(Function):
    """1 above exp(log_threshold), else 0; in the gradient a ramp of the given width, as in `StraightThroughJumpReLU`."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, log_threshold: Tensor, bandwidth: float, to_encoder: bool) -> Tensor:
        ctx.save_for_backward(pre, log_threshold)
        ctx.bandwidth, ctx.to_encoder = bandwidth, to_encoder
        return (pre > log_threshold.exp()).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        pre, log_threshold = ctx.saved_tensors
        threshold = log_threshold.exp()
        jump = grads[0] * near(pre, threshold, ctx.bandwidth) / ctx.bandwidth
        return jump if ctx.to_encoder else None, -(jump * threshold).sum(0), None, None
