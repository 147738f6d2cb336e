"""The loss of every kind, written densely and differentiably: what accelerators run, and what `gradients` must equal.

loss = mean over tokens and nested dictionaries of |x̂ - x|²  +  weight · mean over tokens of the penalty
penalty: relu Σ aᵢ |dᵢ| (Bricken 2023, decoder norms as in Conerly 2024); jumprelu the number of active features
(Rajamanoharan 2024); for both, where it is asked for, Σ tanh(c aᵢ |dᵢ|) instead and Σ relu(θᵢ - preᵢ) |dᵢ| besides
(Anthropic, January 2025); none where features compete (Gao 2024; Bussmann 2024, 2025)

gated (Rajamanoharan 2024, "Improving dictionary learning with gated sparse autoencoders"): with g the encoder's
pre-activations and m = exp(r) · (g without its bias) + b, activations are relu(m) where g > 0; the penalty is
Σ relu(gᵢ), and relu(g) has to reconstruct, too, through a decoder that this part of the loss does not move.

Features that write to several layers have one decoder vector for each, side by side: dᵢ is all of them together, so a
feature pays once however many layers it writes to. Their losses are taken over all layers at once.

A crosscoder (Lindsey 2024, "Sparse crosscoders for cross-layer features and model diffing") reads several sites side by
side and reconstructs them all: |dᵢ| is the sum of the norms of its parts there, so a feature pays for each site.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.activation_functions import batch_threshold, soft_jumprelu, soft_step
from hooke.dictionaries.sparse import largest
from hooke.training.config import TrainConfig
from hooke.training.weights import Weights, row_norms


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step's forward pass found."""

    loss: Tensor
    """The loss, a scalar."""
    error: Float[Tensor, "token d_out"]
    """x̂ - x of the whole dictionary."""
    counts: Float[Tensor, " feature"]
    """On how many tokens of the batch each feature fired."""
    share: float
    """Share of the (token, feature) pairs that have a gradient."""
    threshold: float
    """batchtopk and matryoshka: what an activation of this batch had to reach."""


def dense_loss(
    weights: Weights,
    x: Float[Tensor, "token d_in_and_one"],
    config: TrainConfig,
    sparsity: float,
    target: Float[Tensor, "token d_out"] | None = None,
) -> Outcome:
    """The loss of a batch as `prepare` makes it; `sparsity` is the penalty's weight at this step.

    Without `target` the input is reconstructed.
    """
    pre = x @ weights.encoder.t()
    target = x[:, :-1] if target is None else target
    acts, penalty, threshold = _activate(weights, pre, config, sparsity)
    reconstruction = _without_features(weights, x, target)
    if config.kind == "gated":
        by_gate = reconstruction.detach() + torch.relu(pre) @ weights.decoder.detach()
        penalty = penalty + (by_gate - target).square().sum()
    loss, first = x.new_zeros(()), 0
    for last in config.prefixes:
        reconstruction = reconstruction + acts[:, first:last] @ weights.decoder[first:last]
        loss = loss + (reconstruction - target).square().sum() / (len(x) * len(config.prefixes))
        first = last
    counts, share = _counts(weights, pre, acts, config)
    return Outcome(loss + penalty / len(x), (reconstruction - target).detach(), counts, share, threshold)


def dense_joint_loss(
    layers: Sequence[Weights],
    xs: Sequence[Float[Tensor, "token d_in_and_one"]],
    config: TrainConfig,
    sparsity: float,
    targets: Sequence[Float[Tensor, "token d_out"]],
) -> list[Outcome]:
    """The losses of layers whose features write to their own and all later targets; what is lowered is their sum."""
    errors = [
        _without_features(weights, x, target) - target for weights, x, target in zip(layers, xs, targets, strict=True)
    ]
    found = []
    for layer, (weights, x) in enumerate(zip(layers, xs, strict=True)):
        pre = x @ weights.encoder.t()
        acts, penalty, threshold = _activate(weights, pre, config, sparsity)
        for place, written in enumerate((acts @ weights.decoder).chunk(len(layers) - layer, dim=1)):
            errors[layer + place] = errors[layer + place] + written
        found.append((penalty, threshold, *_counts(weights, pre, acts, config)))
    return [
        Outcome((error.square().sum() + penalty) / len(error), error.detach(), counts, share, threshold)
        for error, (penalty, threshold, counts, share) in zip(errors, found, strict=True)
    ]


def _without_features(weights: Weights, x: Tensor, target: Tensor) -> Tensor:
    written = weights.decoder_bias.expand_as(target)
    return written if weights.skip is None else written + x[:, :-1] @ weights.skip


def _counts(weights: Weights, pre: Tensor, acts: Tensor, config: TrainConfig) -> tuple[Tensor, float]:
    """On how many tokens each feature fired, and the share of pairs that have a gradient."""
    with torch.no_grad():
        active = acts > 0
        graded = pre > 0 if config.kind == "gated" else active
        if weights.log_threshold is not None:
            graded = pre > weights.log_threshold.exp() - config.bandwidth / 2
        return active.sum(0).to(pre.dtype), float(graded.sum()) / graded.numel()


def _activate(weights: Weights, pre: Tensor, config: TrainConfig, sparsity: float) -> tuple[Tensor, Tensor, float]:
    """Activations, the weighted penalty summed over the batch, and the batch's threshold where there is one."""
    nothing = pre.new_zeros(())
    match config.kind:
        case "relu":
            acts, theta = torch.relu(pre), nothing
            own = acts.sum(0) @ row_norms(weights)
            return acts, _penalty(weights, pre, acts, theta, own, config, sparsity), 0.0
        case "jumprelu":
            assert weights.log_threshold is not None
            step = soft_step(pre, weights.log_threshold, config.bandwidth, to_pre=config.ste_to_encoder)
            acts, theta = soft_jumprelu(pre, step, weights.log_threshold), weights.log_threshold.exp()
            return acts, _penalty(weights, pre, acts, theta, step.sum(), config, sparsity), 0.0
        case "gated":
            assert weights.log_scale is not None
            assert weights.magnitude_bias is not None
            magnitude = weights.log_scale.exp() * (pre - weights.encoder[:, -1]) + weights.magnitude_bias
            acts = torch.where(pre > 0, torch.relu(magnitude), 0)
            return acts, sparsity * torch.relu(pre).sum(), 0.0
        case "topk":
            values, indices = largest(pre, config.k)
            return torch.zeros_like(pre).scatter(-1, indices, torch.relu(values)), nothing, 0.0
        case "batchtopk" | "matryoshka":
            threshold = batch_threshold(pre.detach(), config.k)
            return torch.where(pre >= threshold, torch.relu(pre), 0), nothing, float(threshold)


def _penalty(
    weights: Weights, pre: Tensor, acts: Tensor, theta: Tensor, own: Tensor, config: TrainConfig, sparsity: float
) -> Tensor:
    """The weighted penalty: the kind's own or tanh's, and that on what is far from firing."""
    norms = row_norms(weights)
    found = own if config.tanh_slope is None else torch.tanh(config.tanh_slope * norms * acts).sum()
    if not config.pre_activation:
        return sparsity * found
    return sparsity * found + config.pre_activation * (torch.relu(theta - pre) * norms).sum()
