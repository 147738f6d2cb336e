"""The loss of every kind, written densely and differentiably: what accelerators run, and what `gradients` must equal.

loss = mean over tokens and nested dictionaries of |x̂ - x|²  +  weight · mean over tokens of the penalty
penalty: relu Σ aᵢ |dᵢ| (Bricken 2023, decoder norms as in Conerly 2024); jumprelu the number of active features
(Rajamanoharan 2024); none where features compete (Gao 2024; Bussmann 2024, 2025)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.activation_functions import batch_threshold, soft_jumprelu, soft_step
from hooke.dictionaries.sparse import largest
from hooke.training.config import TrainConfig
from hooke.training.weights import Weights


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step's forward pass found."""

    loss: Tensor
    """The loss, a scalar."""
    error: Float[Tensor, "token d"]
    """x̂ - x of the whole dictionary."""
    counts: Float[Tensor, " feature"]
    """On how many tokens of the batch each feature fired."""
    share: float
    """Share of the (token, feature) pairs that have a gradient."""
    threshold: float
    """batchtopk and matryoshka: what an activation of this batch had to reach."""


def dense_loss(weights: Weights, x: Float[Tensor, "token d_and_one"], config: TrainConfig, sparsity: float) -> Outcome:
    """The loss of a batch as `prepare` makes it; `sparsity` is the penalty's weight at this step."""
    pre = x @ weights.encoder.t()
    target = x[:, :-1]
    acts, penalty, threshold = _activate(weights, pre, config)
    reconstruction = weights.decoder_bias.expand_as(target)
    loss, first = x.new_zeros(()), 0
    for last in config.prefixes:
        reconstruction = reconstruction + acts[:, first:last] @ weights.decoder[first:last]
        loss = loss + (reconstruction - target).square().sum() / (len(x) * len(config.prefixes))
        first = last
    loss = loss + sparsity * penalty / len(x)
    with torch.no_grad():
        active = acts > 0
        graded = active if weights.log_threshold is None else pre > weights.log_threshold.exp() - config.bandwidth / 2
        counts, share = active.sum(0).to(x.dtype), float(graded.sum()) / graded.numel()
    return Outcome(loss, (reconstruction - target).detach(), counts, share, threshold)


def _activate(weights: Weights, pre: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor, float]:
    """Activations, the penalty summed over the batch, and the batch's threshold where there is one."""
    nothing = pre.new_zeros(())
    match config.kind:
        case "relu":
            acts = torch.relu(pre)
            return acts, acts.sum(0) @ torch.linalg.vector_norm(weights.decoder, dim=1), 0.0
        case "jumprelu":
            assert weights.log_threshold is not None
            step = soft_step(pre, weights.log_threshold, config.bandwidth, to_pre=config.ste_to_encoder)
            return soft_jumprelu(pre, step, weights.log_threshold), step.sum(), 0.0
        case "topk":
            values, indices = largest(pre, config.k)
            return torch.zeros_like(pre).scatter(-1, indices, torch.relu(values)), nothing, 0.0
        case "batchtopk" | "matryoshka":
            threshold = batch_threshold(pre.detach(), config.k)
            return torch.where(pre >= threshold, torch.relu(pre), 0), nothing, float(threshold)
