"""The gradients of `losses.dense_loss` in closed form, through the active pairs only.

With P the pattern of active pairs, a the activations on it and g = 2 (x̂ - x) / tokens:

    ∂/∂D = aᵀ g      ∂/∂a = g Dᵀ at P      ∂/∂pre = ∂/∂a where a > 0      ∂/∂E = (∂/∂pre)ᵀ x

Nested dictionaries give each token one row per group. A group's reconstruction is the sum of its own and all earlier
rows, so the gradient of a row is the sum over its own and all later groups.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.activation_functions import near
from hooke.dictionaries.sparse import Pattern, add_times, merge_rows, pattern, sampled, sum_by_feature, transposed_times
from hooke.training.config import TrainConfig
from hooke.training.losses import Outcome
from hooke.training.select import Active
from hooke.training.weights import Weights


@torch.no_grad()
def sparse_gradients(
    weights: Weights, x: Float[Tensor, "token d_and_one"], active: Active, config: TrainConfig, sparsity: float
) -> Outcome:
    """Write the gradient of every weight into its `.grad` and return what the forward pass found."""
    n_tokens, n_groups = len(x), len(config.prefixes)
    rows, values = _rows(active, n_tokens, config), _values(active, weights)
    errors, later = _errors(weights, x, rows, values, n_groups)
    loss = torch.linalg.vector_norm(errors).square() / (n_tokens * n_groups)
    # What is common to all gradients goes into the pairs' values, which are few.
    factor = 2 / (n_tokens * n_groups)
    _grad(weights.decoder_bias).copy_(later[::n_groups].sum(0)).mul_(factor)
    at_values = sampled(rows, later, weights.decoder).mul_(factor)
    transposed_times(rows, values * factor, later, out=_grad(weights.decoder))
    at_pre = at_values * (values > 0)
    if config.kind == "relu":
        loss = loss + _add_l1(weights, rows, values, at_pre, sparsity / n_tokens)
    if weights.log_threshold is not None:
        loss = loss + _add_jump(weights, rows, active.pre, at_values, at_pre, config, sparsity / n_tokens)
    transposed_times(merge_rows(rows, n_groups), at_pre, x, out=_grad(weights.encoder))
    counts = sum_by_feature(rows, (values > 0).to(x.dtype))
    share = len(values) / (n_tokens * config.n_features)
    return Outcome(loss, errors[:, -1], counts, share, active.threshold)


def _errors(
    weights: Weights, x: Tensor, rows: Pattern, values: Tensor, n_groups: int
) -> tuple[Float[Tensor, "token group d"], Float[Tensor, "row d"]]:
    """x̂ - x of each nested dictionary, and for each row the sum over its own and all later groups."""
    offset = weights.decoder_bias - x[:, :-1]
    if n_groups == 1:
        errors = add_times(offset, rows, values, weights.decoder)
        return errors.unsqueeze(1), errors
    errors = offset.new_zeros(len(x), n_groups, offset.shape[1])
    errors[:, 0] = offset
    add_times(errors.flatten(0, 1), rows, values, weights.decoder)
    errors.cumsum_(1)
    return errors, errors.flip(1).cumsum_(1).flip(1).flatten(0, 1)


def _rows(active: Active, n_tokens: int, config: TrainConfig) -> Pattern:
    n_groups = len(config.prefixes)
    row = active.tokens
    if n_groups > 1:
        group = torch.bucketize(active.features, torch.tensor(config.prefixes), right=True)
        row = row * n_groups + group
    return pattern(active.features, torch.bincount(row, minlength=n_tokens * n_groups), config.n_features)


def _values(active: Active, weights: Weights) -> Tensor:
    if weights.log_threshold is None:
        return torch.relu(active.pre)
    return torch.where(active.pre > weights.log_threshold.exp()[active.features], active.pre, 0)


def _add_l1(weights: Weights, rows: Pattern, values: Tensor, at_pre: Tensor, weight: float) -> Tensor:
    norms = torch.linalg.vector_norm(weights.decoder, dim=1)
    sums = sum_by_feature(rows, values)
    at_pre.addcmul_(norms[rows.features], (values > 0).to(values.dtype), value=weight)
    _grad(weights.decoder).addcmul_((sums / norms).unsqueeze(1), weights.decoder, value=weight)
    return weight * (sums * norms).sum()


def _add_jump(
    weights: Weights,
    rows: Pattern,
    pre: Tensor,
    at_values: Tensor,
    at_pre: Tensor,
    config: TrainConfig,
    weight: float,
) -> Tensor:
    assert weights.log_threshold is not None
    threshold = weights.log_threshold.exp()
    at = threshold[rows.features]
    # The jump's height is the threshold in the activation and 1 in the count.
    jump = (at_values * at + weight) * near(pre, at, config.bandwidth) / config.bandwidth
    _grad(weights.log_threshold).copy_(-sum_by_feature(rows, jump) * threshold)
    if config.ste_to_encoder:
        at_pre.add_(jump)
    return weight * (pre > at).sum()


def _grad(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad
