"""Everything that a step changes, and the step."""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.dictionaries.sparse import prefers_dense
from hooke.training.config import TrainConfig
from hooke.training.gradients import sparse_gradients
from hooke.training.losses import Outcome, dense_loss
from hooke.training.revive import Firing, add_revival, new_firing
from hooke.training.schedule import learning_rate, sparsity_weight
from hooke.training.select import new_buffer, select
from hooke.training.weights import Calibration, Weights, first_weights, prepare

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


def start(config: TrainConfig, calibration: Calibration, *, device: torch.device) -> State:
    """A run before its first step."""
    generator = torch.Generator().manual_seed(config.seed)
    first = first_weights(config, len(calibration.centre), generator=generator)
    weights = Weights(**{name: tensor.to(device) for name, tensor in first.named()})
    calibration = replace(calibration, centre=calibration.centre.to(device))
    share = config.k / config.n_features if config.is_competitive else 1.0
    return State(config, calibration, weights, _adam(weights), new_firing(config.n_features, device), share=share)


def _adam(weights: Weights) -> torch.optim.Adam:
    tensors = [tensor.requires_grad_() for _, tensor in weights.named()]
    optimiser = torch.optim.Adam(tensors, fused=True)
    for tensor in tensors:
        tensor.grad = torch.zeros_like(tensor)
        zeros = torch.zeros_like(tensor, requires_grad=False)
        optimiser.state[tensor] = {"step": torch.zeros(()), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
    return optimiser


def advance(state: State, batch: Float[Tensor, "token d"]) -> Outcome:
    """Make one step on a batch in the input's own units."""
    config, weights = state.config, state.weights
    progress = state.tokens / config.n_tokens
    x = prepare(batch.to(weights.encoder.device), state.calibration)
    outcome = _gradients(state, x, sparsity_weight(config, progress))
    if config.k_aux:
        dead = state.firing.dead(config.dead_after)
        if bool(dead.any()):
            add_revival(weights, x, outcome.error, dead, config)
    state.optimiser.param_groups[0]["lr"] = learning_rate(config, progress)
    with torch.no_grad():
        if config.has_unit_rows:
            _project(weights.decoder)
        state.optimiser.step()
        if config.has_unit_rows:
            _normalise(weights.decoder)
    _account(state, outcome, len(x))
    return outcome


def _gradients(state: State, x: Tensor, sparsity: float) -> Outcome:
    config, weights = state.config, state.weights
    if prefers_dense(state.share, x.device):
        state.optimiser.zero_grad(set_to_none=False)
        outcome = dense_loss(weights, x, config, sparsity)
        outcome.loss.backward()
        return replace(outcome, loss=outcome.loss.detach())
    with torch.no_grad():
        active = select(weights, x, config, buffer=state.buffer, last_threshold=state.last_threshold)
    return sparse_gradients(weights, x, active, config, sparsity)


def _project(decoder: Tensor) -> None:
    """Take out of each row's gradient what would only change its norm."""
    assert decoder.grad is not None
    for rows, grad in zip(decoder.split(_ROWS), decoder.grad.split(_ROWS), strict=True):
        grad.addcmul_((grad * rows).sum(1, keepdim=True), rows, value=-1)


def _normalise(decoder: Tensor) -> None:
    for rows in decoder.split(_ROWS):
        rows.div_(torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp(min=1e-12))


def _account(state: State, outcome: Outcome, n_tokens: int) -> None:
    state.firing.observe(outcome.counts, n_tokens, state.config.density_half_life)
    state.step += 1
    state.tokens += n_tokens
    state.share, state.last_threshold = outcome.share, outcome.threshold
    weight = 1 / min(state.step, _THRESHOLD_STEPS)
    state.threshold += weight * (outcome.threshold - state.threshold)
