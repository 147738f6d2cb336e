"""Dead features: who they are, and the auxiliary loss that gives them something to do."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hooke.dictionaries.sparse import largest
from hooke.training.config import TrainConfig
from hooke.training.weights import Weights

# The auxiliary loss is taken on this share of each batch: an unbiased estimate at a fraction of the cost.
_TOKEN_SHARE = 1 / 8


@dataclass(frozen=True, slots=True)
class Firing:
    """When each feature fired last and how often it fires. Updated in place."""

    idle: Int[Tensor, " feature"]
    """Tokens since it fired."""
    density: Float[Tensor, " feature"]
    """Running share of tokens on which it fires."""

    def observe(self, counts: Float[Tensor, " feature"], n_tokens: int, half_life: int) -> None:
        """Take in on how many of a batch's tokens each feature fired."""
        self.idle.add_(n_tokens).masked_fill_(counts > 0, 0)
        self.density.lerp_(counts / n_tokens, 1 - 0.5 ** (n_tokens / half_life))

    def dead(self, after: int) -> Bool[Tensor, " feature"]:
        """Which features have not fired for this many tokens."""
        return self.idle >= after


def new_firing(n_features: int, device: torch.device) -> Firing:
    """Every feature as if it had just fired."""
    return Firing(torch.zeros(n_features, dtype=torch.int64, device=device), torch.zeros(n_features, device=device))


def add_revival(
    weights: Weights,
    x: Float[Tensor, "token d_in_and_one"],
    error: Float[Tensor, "token d_out"],
    dead: Bool[Tensor, " feature"],
    config: TrainConfig,
) -> None:
    """Add the gradient of the auxiliary loss (Gao 2024, A.2) to the `.grad` of the weights.

    aux_weight · mean over tokens of |error + Σ of the k_aux largest dead features|²; the error is a constant. Of
    features that write to several layers only what they write to their own is fitted.
    """
    chosen = dead.nonzero().squeeze(1)
    n_tokens = max(1, int(len(x) * _TOKEN_SHARE))
    x, error = x[:n_tokens], error[:n_tokens]
    with torch.enable_grad():
        encoder = weights.encoder.detach()[chosen].requires_grad_()
        decoder = weights.decoder.detach()[chosen, : error.shape[1]].requires_grad_()
        pre = x @ encoder.t()
        acts = torch.relu(pre)
        if len(chosen) > config.k_aux:
            values, indices = largest(pre, config.k_aux)
            acts = torch.zeros_like(pre).scatter(-1, indices, torch.relu(values))
        loss = config.aux_weight * (error + acts @ decoder).square().sum() / n_tokens
        grads = torch.autograd.grad(loss, (encoder, decoder))
    for weight, grad in zip((weights.encoder, weights.decoder), grads, strict=True):
        assert weight.grad is not None
        weight.grad[:, : grad.shape[1]].index_add_(0, chosen, grad)
