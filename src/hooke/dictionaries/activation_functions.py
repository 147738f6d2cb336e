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


def jumprelu(
    pre: Float[Tensor, "*batch"], threshold: Float[Tensor, "*thresholds"], *, signed: bool = False
) -> Float[Tensor, "*batch"]:
    """relu(pre) where pre is strictly above the threshold, else 0; `signed` leaves out the relu."""
    return torch.where(pre > threshold, pre if signed else torch.relu(pre), 0)


def topk(pre: Float[Tensor, "token feature"], k: int, *, signed: bool = False) -> SparseActs:
    """The k largest pre-activations of each token, those that are negative set to 0 unless `signed`."""
    values, indices = largest(pre, k)
    return SparseActs(values if signed else torch.relu(values), indices, pre.shape[-1])


def groupmax(pre: Float[Tensor, "token feature"], k: int) -> SparseActs:
    """The largest pre-activation of each of k groups of neighbours, those that are negative set to 0."""
    values, places = pre.unflatten(-1, (k, -1)).max(-1)
    indices = places + torch.arange(k, device=pre.device) * (pre.shape[-1] // k)
    values, order = torch.relu(values).sort(-1, descending=True)
    return SparseActs(values, indices.gather(-1, order), pre.shape[-1])


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


def soft_step(
    pre: Float[Tensor, "token feature"], log_threshold: Float[Tensor, " feature"], bandwidth: float, *, to_pre: bool
) -> Float[Tensor, "token feature"]:
    """1 above exp(log_threshold), else 0; for gradients a ramp of this width (Rajamanoharan 2024).

    d/d threshold = -1 / bandwidth where near. With `to_pre` the same, positive, reaches pre (Anthropic, January 2025).
    """
    step = _Step.apply(pre, log_threshold.exp(), bandwidth, to_pre)
    assert isinstance(step, Tensor)
    return step


def soft_jumprelu(
    pre: Float[Tensor, "token feature"],
    step: Float[Tensor, "token feature"],
    log_threshold: Float[Tensor, " feature"],
) -> Float[Tensor, "token feature"]:
    """pre where the step is 1; the jump's gradient is that of the step times its height, the threshold."""
    height = log_threshold.exp().detach()
    return step.detach() * pre + height * (step - step.detach())


class _Step(Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, bandwidth: float, to_pre: bool) -> Tensor:
        ctx.save_for_backward(pre, threshold)
        ctx.bandwidth, ctx.to_pre = bandwidth, to_pre
        return (pre > threshold).to(pre.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        pre, threshold = ctx.saved_tensors
        ramp = grads[0] * near(pre, threshold, ctx.bandwidth) / ctx.bandwidth
        return ramp if ctx.to_pre else None, -ramp.sum(0), None, None
