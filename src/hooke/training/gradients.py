"""The gradients of `losses.dense_loss` in closed form, through the active pairs only.

With P the pattern of active pairs, a the activations on it and g = 2 (x̂ - x) / tokens:

    ∂/∂D = aᵀ g      ∂/∂a = g Dᵀ at P      ∂/∂pre = ∂/∂a where a > 0      ∂/∂E = (∂/∂pre)ᵀ x

Nested dictionaries give each token one row per group. A group's reconstruction is the sum of its own and all earlier
rows, so the gradient of a row is the sum over its own and all later groups.

Features that write to several layers have their decoder vectors side by side, and g the errors of those layers
likewise: the formulas stay as they are.

Of a gate's pre-activation p two things are made, so ∂/∂p has two parts: through the magnitude e^r (p - bias) + b, which
passes the encoder's bias by, and from the gate's own reconstruction and penalty, which do not.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.activation_functions import near
from hooke.dictionaries.sparse import Pattern, add_times, merge_rows, pattern, sampled, sum_by_feature, transposed_times
from hooke.training.config import TrainConfig
from hooke.training.losses import Outcome
from hooke.training.select import Active
from hooke.training.weights import Weights, part_norms, row_norms


@torch.no_grad()
def sparse_gradients(
    weights: Weights,
    x: Float[Tensor, "token d_in_and_one"],
    active: Active,
    config: TrainConfig,
    sparsity: float,
    target: Float[Tensor, "token d_out"] | None = None,
) -> Outcome:
    """Write the gradient of every weight into its `.grad` and return what the forward pass found."""
    n_groups = len(config.prefixes)
    rows, values = _rows(active, len(x), config), _values(active, weights)
    offset = _without_features(weights, x, x[:, :-1] if target is None else target)
    errors, later = _errors(weights, offset, rows, values, n_groups)
    loss = torch.linalg.vector_norm(errors).square() / (len(x) * n_groups)
    return _backward(weights, x, active, rows, values, later, errors[:, -1], loss, config, sparsity)


@torch.no_grad()
def sparse_joint_gradients(
    layers: Sequence[Weights],
    xs: Sequence[Float[Tensor, "token d_in_and_one"]],
    actives: Sequence[Active],
    config: TrainConfig,
    sparsity: float,
    targets: Sequence[Float[Tensor, "token d_out"]],
) -> list[Outcome]:
    """The same for layers whose features write to their own and all later targets."""
    n_tokens = len(xs[0])
    sparse = [
        (_rows(active, n_tokens, config), _values(active, weights))
        for active, weights in zip(actives, layers, strict=True)
    ]
    errors = [_without_features(*given) for given in zip(layers, xs, targets, strict=True)]
    for layer, (weights, (rows, values)) in enumerate(zip(layers, sparse, strict=True)):
        written = add_times(errors[0].new_zeros(n_tokens, weights.decoder.shape[1]), rows, values, weights.decoder)
        for place, part in enumerate(written.chunk(len(layers) - layer, dim=1)):
            errors[layer + place] += part
    found = []
    for layer, (weights, x, active, (rows, values)) in enumerate(zip(layers, xs, actives, sparse, strict=True)):
        loss = errors[layer].square().sum() / n_tokens
        later = torch.cat(errors[layer:], dim=1)
        outcome = _backward(weights, x, active, rows, values, later, errors[layer], loss, config, sparsity)
        found.append(outcome)
    return found


def _backward(
    weights: Weights,
    x: Tensor,
    active: Active,
    rows: Pattern,
    values: Tensor,
    later: Float[Tensor, "row d_outs"],
    error: Float[Tensor, "token d_out"],
    loss: Tensor,
    config: TrainConfig,
    sparsity: float,
) -> Outcome:
    """Gradients from the sum of errors that each row has a part in."""
    n_tokens, n_groups, d_out = len(x), len(config.prefixes), len(weights.decoder_bias)
    # What is common to all gradients goes into the pairs' values, which are few.
    factor = 2 / (n_tokens * n_groups)
    own = later[::n_groups, :d_out]
    _grad(weights.decoder_bias).copy_(own.sum(0)).mul_(factor)
    if weights.skip is not None:
        torch.mm(x[:, :-1].t(), own, out=_grad(weights.skip)).mul_(factor)
    at_values = sampled(rows, later, weights.decoder).mul_(factor)
    transposed_times(rows, values * factor, later, out=_grad(weights.decoder))
    if config.tanh_slope is not None:
        loss = loss + _add_tanh(weights, rows, values, at_values, config.tanh_slope, sparsity / n_tokens)
    at_pre = at_values * (values > 0)
    if config.kind == "relu" and config.tanh_slope is None:
        loss = loss + _add_l1(weights, rows, values, at_pre, sparsity / n_tokens)
    if weights.log_threshold is not None:
        per_feature = 0.0 if config.tanh_slope is not None else sparsity / n_tokens
        loss = loss + _add_jump(weights, rows, active.pre, at_values, at_pre, config, per_feature)
    if config.pre_activation:
        loss = loss + _add_pre_activation(weights, rows, active.pre, at_pre, x, config.pre_activation / n_tokens)
    if weights.log_scale is not None:
        past_bias = _through_magnitude(weights, rows, active.pre, at_pre)
        loss = loss + _add_gate(weights, rows, active.pre, values, at_pre, error, sparsity / n_tokens)
        transposed_times(rows, at_pre, x, out=_grad(weights.encoder))
        _grad(weights.encoder)[:, -1].sub_(past_bias)
    else:
        transposed_times(merge_rows(rows, n_groups), at_pre, x, out=_grad(weights.encoder))
    if config.pre_activation:
        # Every feature is drawn towards every input; `at_pre` has what takes that back where it is above its threshold.
        pull = row_norms(weights) * (-config.pre_activation / n_tokens)
        _grad(weights.encoder).addr_(pull, x.sum(0))
    counts = sum_by_feature(rows, (values > 0).to(x.dtype))
    share = len(values) / (n_tokens * config.n_features)
    return Outcome(loss, error, counts, share, active.threshold)


def _without_features(weights: Weights, x: Tensor, target: Tensor) -> Tensor:
    """What is left over where no feature is active."""
    offset = weights.decoder_bias - target
    return offset if weights.skip is None else offset.addmm_(x[:, :-1], weights.skip)


def _errors(
    weights: Weights, offset: Float[Tensor, "token d_out"], rows: Pattern, values: Tensor, n_groups: int
) -> tuple[Float[Tensor, "token group d_out"], Float[Tensor, "row d_out"]]:
    """x̂ - x of each nested dictionary, and for each row the sum over its own and all later groups."""
    if n_groups == 1:
        errors = add_times(offset, rows, values, weights.decoder)
        return errors.unsqueeze(1), errors
    errors = offset.new_zeros(len(offset), n_groups, offset.shape[1])
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
    if weights.log_scale is not None:
        assert weights.magnitude_bias is not None
        return torch.relu(_unbiased(weights, active.features, active.pre) + weights.magnitude_bias[active.features])
    if weights.log_threshold is None:
        return torch.relu(active.pre)
    return torch.where(active.pre > weights.log_threshold.exp()[active.features], active.pre, 0)


def _add_l1(weights: Weights, rows: Pattern, values: Tensor, at_pre: Tensor, weight: float) -> Tensor:
    norms = row_norms(weights)
    sums = sum_by_feature(rows, values)
    at_pre.addcmul_(norms[rows.features], (values > 0).to(values.dtype), value=weight)
    _add_to_norms(weights, sums * weight)
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


def _unbiased(weights: Weights, features: Tensor, pre: Tensor) -> Tensor:
    """Magnitudes before their bias is added."""
    assert weights.log_scale is not None
    return weights.log_scale.exp()[features] * (pre - weights.encoder[features, -1])


def _through_magnitude(weights: Weights, rows: Pattern, pre: Tensor, at_pre: Tensor) -> Float[Tensor, " feature"]:
    """Turn the gradient at magnitudes into that at pre-activations; how much of it the encoder's bias does not get."""
    assert weights.log_scale is not None
    assert weights.magnitude_bias is not None
    _grad(weights.log_scale).copy_(sum_by_feature(rows, at_pre * _unbiased(weights, rows.features, pre)))
    _grad(weights.magnitude_bias).copy_(sum_by_feature(rows, at_pre))
    at_pre.mul_(weights.log_scale.exp()[rows.features])
    return sum_by_feature(rows, at_pre)


def _add_gate(
    weights: Weights, rows: Pattern, pre: Tensor, values: Tensor, at_pre: Tensor, error: Tensor, weight: float
) -> Tensor:
    by_gate = add_times(error.clone(), rows, pre - values, weights.decoder)
    at_pre.add_(sampled(rows, by_gate, weights.decoder), alpha=2 / len(error)).add_(weight)
    return by_gate.square().sum() / len(error) + weight * pre.sum()


def _add_tanh(
    weights: Weights, rows: Pattern, values: Tensor, at_values: Tensor, slope: float, weight: float
) -> Tensor:
    norms = row_norms(weights)
    scale = slope * norms[rows.features]
    heights = torch.tanh(scale * values)
    steepness = 1 - heights.square()
    at_values.addcmul_(scale, steepness, value=weight)
    at_norms = sum_by_feature(rows, values * steepness) * (slope * weight)
    _add_to_norms(weights, at_norms)
    return weight * heights.sum()


def _add_pre_activation(
    weights: Weights, rows: Pattern, pre: Tensor, at_pre: Tensor, x: Tensor, weight: float
) -> Tensor:
    """Σ relu(θ - pre) over all pairs, from the sum over all of them without relu and the few that are above θ."""
    norms = row_norms(weights)
    theta = torch.zeros_like(norms) if weights.log_threshold is None else weights.log_threshold.exp()
    above = (pre > theta[rows.features]).to(pre.dtype)
    at_pre.addcmul_(norms[rows.features], above, value=weight)
    depths = len(x) * theta - weights.encoder @ x.sum(0) + sum_by_feature(rows, above * (pre - theta[rows.features]))
    if weights.log_threshold is not None:
        n_below = len(x) - sum_by_feature(rows, above)
        _grad(weights.log_threshold).addcmul_(norms * theta, n_below, value=weight)
    _add_to_norms(weights, depths * weight)
    return weight * (depths * norms).sum()


def _add_to_norms(weights: Weights, at_norms: Float[Tensor, " feature"]) -> None:
    """Add to the decoder's gradient what a gradient at `row_norms` makes there."""
    parts, grads = (one.unflatten(1, (weights.n_sites, -1)) for one in (weights.decoder, _grad(weights.decoder)))
    norms = part_norms(weights.decoder, weights.n_sites)
    grads.addcmul_((at_norms[:, None] / norms).unsqueeze(2), parts)


def _grad(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad
