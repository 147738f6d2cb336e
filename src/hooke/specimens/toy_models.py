"""Toy models of superposition, many trained at once: x' = relu(W Wᵀ x + b), with fewer hidden dimensions than features.

Elhage et al. 2022, "Toy Models of Superposition". A model without the relu, in the same batch, is the control of every
claim: it can do no better than principal components, which give each feature a dimension of its own or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from hooke.errors import BadConfig
from hooke.progress import track
from hooke.specimens.sparse_data import Draw

_EVALUATED_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ToyTraining:
    """How toy models are trained: AdamW, its rate falling to zero along a cosine.

    Raises:
        BadConfig: a number that must be positive is not.
    """

    n_steps: int = 2500
    """Steps of the optimiser."""
    batch: int = 256
    """Inputs per step and instance."""
    lr: float = 5e-3
    """Learning rate at the start."""

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise BadConfig(f"'{name}' cannot be {getattr(self, name)}.", "", "Give a number above 0.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Toys:
    """Trained models, side by side."""

    weights: Float[Tensor, "instance feature hidden"]
    """W: the direction of each feature is a row."""
    bias: Float[Tensor, "instance feature"]
    """b, added to what is read back."""
    is_linear: Bool[Tensor, " instance"]
    """Which models have no relu."""
    losses: Float[Tensor, " instance"]
    """Weighted squared error per input, summed over features, on fresh inputs."""
    steps: tuple[int, ...] = ()
    """After how many steps each snapshot was taken."""
    history: Float[Tensor, "snapshot instance feature hidden"] | None = None
    """W at the snapshots."""
    history_losses: Float[Tensor, "snapshot instance"] | None = None
    """The loss of the batch at the snapshots."""

    def best_of(self, n_tries: int) -> "Toys":
        """Of each `n_tries` models in a row the one with the lowest loss, without history."""
        rows = torch.arange(0, len(self.losses), n_tries) + self.losses.view(-1, n_tries).argmin(-1)
        parts = (self.weights[rows], self.bias[rows], self.is_linear[rows], self.losses[rows])
        return Toys(weights=parts[0], bias=parts[1], is_linear=parts[2], losses=parts[3])


def rebuild(
    weights: Float[Tensor, "instance feature hidden"],
    bias: Float[Tensor, "instance feature"],
    is_linear: Bool[Tensor, " instance"],
    x: Float[Tensor, "instance batch feature"],
) -> Float[Tensor, "instance batch feature"]:
    """What the models read back from their hidden dimensions."""
    lowest = torch.where(is_linear, -torch.inf, 0.0)[:, None, None]
    return torch.maximum((x @ weights) @ weights.mT + bias[:, None], lowest)


def train_toys(
    draw: Draw,
    importance: Float[Tensor, "instance feature"],
    n_hidden: int,
    is_linear: Bool[Tensor, " instance"],
    *,
    training: ToyTraining,
    generator: Generator,
    snapshots: Sequence[int] = (),
    about: str = "toy models",
) -> Toys:
    """Train one model for each row of `importance`, all in one tensor.

    Args:
        draw: gives inputs, `[instance, batch, feature]`.
        importance: weight of each feature's squared error.
        n_hidden: how many dimensions the features share.
        is_linear: which models have no relu.
        snapshots: numbers of steps after which weights are kept; 0 is before the first.
        about: what is said to be trained, where progress is shown.
    """
    n_instances, n_features = importance.shape
    shape = (n_instances, n_features, n_hidden)
    weights = torch.randn(shape, generator=generator) * (2 / (n_features + n_hidden)) ** 0.5  # Xavier
    bias = torch.zeros(n_instances, n_features)
    optimiser = torch.optim.AdamW([weights, bias], lr=training.lr)
    kept: list[Tensor] = []
    kept_losses: list[Tensor] = []
    asked = frozenset(snapshots)
    for step in track(range(training.n_steps + 1), about, total=training.n_steps + 1, unit="steps"):
        x = draw(training.batch, generator)
        error = _gradients(weights, bias, is_linear, importance, x)
        if step in asked:
            kept.append(weights.clone())
            kept_losses.append(error)
        if step < training.n_steps:
            optimiser.param_groups[0]["lr"] = training.lr * (1 + cos(pi * step / training.n_steps)) / 2
            optimiser.step()
    return Toys(
        weights=weights,
        bias=bias,
        is_linear=is_linear,
        losses=_losses(weights, bias, is_linear, importance, draw, training.batch, generator),
        steps=tuple(sorted(asked)),
        history=torch.stack(kept) if kept else None,
        history_losses=torch.stack(kept_losses) if kept else None,
    )


def _gradients(weights: Tensor, bias: Tensor, is_linear: Tensor, importance: Tensor, x: Tensor) -> Tensor:
    """Put the gradients where the optimiser looks for them; the loss of each instance.

    By hand: five products of matrices and no record of the rest, which takes half the time.
    """
    error = rebuild(weights, bias, is_linear, x)
    passes = (error > 0) | is_linear[:, None, None]
    error -= x
    losses = (error.square().mean(1) * importance).sum(-1)
    pulled = error.mul_(importance[:, None]).mul_(passes).mul_(2 / x.shape[1])
    weights.grad = pulled.mT @ (x @ weights) + x.mT @ (pulled @ weights)
    bias.grad = pulled.sum(1)
    return losses


def _losses(
    weights: Tensor, bias: Tensor, is_linear: Tensor, importance: Tensor, draw: Draw, batch: int, generator: Generator
) -> Tensor:
    """The loss on some thousands of fresh inputs."""
    total = torch.zeros(len(weights))
    n_batches = _EVALUATED_AT_ONCE * max(1, 1024 // batch)
    for _ in range(n_batches):
        x = draw(batch, generator)
        error = rebuild(weights, bias, is_linear, x) - x
        total += (error.square().mean(1) * importance).sum(-1)
    return total / n_batches
