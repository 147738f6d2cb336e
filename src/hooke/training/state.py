"""Everything that a step changes, and the step."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.sparse import prefers_dense
from hooke.training.config import TrainConfig
from hooke.training.gradients import sparse_gradients, sparse_joint_gradients
from hooke.training.losses import Outcome, dense_joint_loss, dense_loss
from hooke.training.revive import Firing, add_revival, new_firing
from hooke.training.schedule import learning_rate, sparsity_weight
from hooke.training.select import Active, new_buffer, select
from hooke.training.weights import Calibration, Weights, first_weights, part_norms, prepare

# Decoder rows are normalised this many at a time, so that they are still in cache for the division.
_ROWS = 512

# Steps over which the batches' thresholds are averaged for use on single tokens.
_THRESHOLD_STEPS = 50


@dataclass(slots=True)
class State:
    """A training run between two steps."""

    config: TrainConfig
    """What it was told."""
    calibration: Calibration
    """The units of training."""
    weights: Weights
    """What is trained."""
    optimiser: torch.optim.Adam
    """Adam, with its two moments."""
    firing: Firing
    """When each feature fired."""
    target: Calibration | None = None
    """The units of what is reconstructed, where that is not the input."""
    step: int = 0
    """Steps made."""
    tokens: int = 0
    """Tokens seen."""
    threshold: float = 0.0
    """batchtopk and matryoshka: running mean of the batches' thresholds."""
    last_threshold: float = 0.0
    """The last batch's threshold."""
    share: float = 1.0
    """Share of (token, feature) pairs that had a gradient in the last step; it chooses the kernels of the next."""
    buffer: Tensor = field(init=False)
    """Room for pre-activations."""

    def __post_init__(self) -> None:
        self.buffer = new_buffer(self.config)


def start(
    config: TrainConfig,
    calibration: Calibration,
    *,
    device: torch.device,
    target: Calibration | None = None,
    n_targets: int = 1,
    number: int = 0,
) -> State:
    """A run before its first step; runs side by side have numbers, so that their first weights differ."""
    generator = torch.Generator().manual_seed(config.seed + number)
    d_out = None if target is None else len(target.centre)
    shape = {"d_out": d_out, "n_targets": n_targets, "n_sites": len(calibration.scales)}
    first = first_weights(config, len(calibration.centre), generator=generator, **shape)
    weights = replace(first, **{name: tensor.to(device) for name, tensor in first.named()})
    calibration = replace(calibration, centre=calibration.centre.to(device))
    target = None if target is None else replace(target, centre=target.centre.to(device))
    share = config.k / config.n_features if config.is_competitive else 1.0
    firing = new_firing(config.n_features, device)
    return State(config, calibration, weights, _adam(weights), firing, target=target, share=share)


def _adam(weights: Weights) -> torch.optim.Adam:
    tensors = [tensor.requires_grad_() for _, tensor in weights.named()]
    optimiser = torch.optim.Adam(tensors, fused=True)
    for tensor in tensors:
        tensor.grad = torch.zeros_like(tensor)
        zeros = torch.zeros_like(tensor, requires_grad=False)
        optimiser.state[tensor] = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
    return optimiser


def advance(
    state: State, batch: Float[Tensor, "token d_in"], target: Float[Tensor, "token d_out"] | None = None
) -> Outcome:
    """Make one step on a batch in its site's own units; without `target` it is the batch that is reconstructed."""
    x = prepare(batch.to(state.weights.encoder.device), state.calibration)
    outcome = _gradients(state, x, _prepared_target(state, target), _sparsity(state))
    _step(state, x, outcome)
    return outcome


def advance_jointly(
    states: Sequence[State],
    batches: Sequence[Float[Tensor, "token d_in"]],
    targets: Sequence[Float[Tensor, "token d_out"]],
) -> list[Outcome]:
    """Make one step of layers whose features write to their own and all later targets, on the same tokens."""
    device = states[0].weights.encoder.device
    xs = [prepare(batch.to(device), state.calibration) for state, batch in zip(states, batches, strict=True)]
    ys = [_prepared_target(state, target) for state, target in zip(states, targets, strict=True)]
    outcomes = _joint_gradients(states, xs, [y for y in ys if y is not None])
    for state, x, outcome in zip(states, xs, outcomes, strict=True):
        _step(state, x, outcome)
    return outcomes


def _prepared_target(state: State, target: Tensor | None) -> Tensor | None:
    if target is None:
        return None
    assert state.target is not None
    return prepare(target.to(state.weights.encoder.device), state.target)[:, :-1]


def _sparsity(state: State) -> float:
    return sparsity_weight(state.config, state.tokens / state.config.n_tokens)


def _step(state: State, x: Tensor, outcome: Outcome) -> None:
    """From gradients to the next weights."""
    config, weights = state.config, state.weights
    if config.k_aux:
        dead = state.firing.dead(config.dead_after)
        if bool(dead.any()):
            add_revival(weights, x, outcome.error, dead, config)
    state.optimiser.param_groups[0]["lr"] = learning_rate(config, state.tokens / config.n_tokens)
    with torch.no_grad():
        if config.has_unit_rows:
            _project(weights)
        state.optimiser.step()
        if config.has_unit_rows:
            _normalise(weights)
    _account(state, outcome, len(x))


def _gradients(state: State, x: Tensor, target: Tensor | None, sparsity: float) -> Outcome:
    config, weights = state.config, state.weights
    if prefers_dense(state.share, x.device):
        state.optimiser.zero_grad(set_to_none=False)
        outcome = dense_loss(weights, x, config, sparsity, target)
        outcome.loss.backward()
        return replace(outcome, loss=outcome.loss.detach())
    return sparse_gradients(weights, x, _selected(state, x), config, sparsity, target)


def _joint_gradients(states: Sequence[State], xs: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Outcome]:
    config, layers = states[0].config, [state.weights for state in states]
    sparsity = _sparsity(states[0])
    if prefers_dense(max(state.share for state in states), xs[0].device):
        for state in states:
            state.optimiser.zero_grad(set_to_none=False)
        outcomes = dense_joint_loss(layers, xs, config, sparsity, targets)
        torch.stack([outcome.loss for outcome in outcomes]).sum().backward()
        return [replace(outcome, loss=outcome.loss.detach()) for outcome in outcomes]
    actives = [_selected(state, x) for state, x in zip(states, xs, strict=True)]
    return sparse_joint_gradients(layers, xs, actives, config, sparsity, targets)


def _selected(state: State, x: Tensor) -> Active:
    with torch.no_grad():
        return select(state.weights, x, state.config, buffer=state.buffer, last_threshold=state.last_threshold)


def _project(weights: Weights) -> None:
    """Take out of each row's gradient what would only change its norm."""
    assert weights.decoder.grad is not None
    for rows, grad in zip(weights.decoder.split(_ROWS), weights.decoder.grad.split(_ROWS), strict=True):
        if weights.n_sites == 1:
            grad.addcmul_((grad * rows).sum(1, keepdim=True), rows, value=-1)
        else:
            # The sum of the parts' norms grows along the parts' unit vectors, which are a vector of n_sites squared.
            parts, grads = (one.unflatten(1, (weights.n_sites, -1)) for one in (rows, grad))
            units = parts / torch.linalg.vector_norm(parts, dim=2, keepdim=True).clamp(min=1e-12)
            grads.addcmul_((grads * units).sum((1, 2), keepdim=True) / weights.n_sites, units, value=-1)


def _normalise(weights: Weights) -> None:
    for rows in weights.decoder.split(_ROWS):
        rows.div_(part_norms(rows, weights.n_sites).sum(1, keepdim=True).clamp(min=1e-12))


def _account(state: State, outcome: Outcome, n_tokens: int) -> None:
    state.firing.observe(outcome.counts, n_tokens, state.config.density_half_life)
    state.step += 1
    state.tokens += n_tokens
    state.share, state.last_threshold = outcome.share, outcome.threshold
    weight = 1 / min(state.step, _THRESHOLD_STEPS)
    state.threshold += weight * (outcome.threshold - state.threshold)
