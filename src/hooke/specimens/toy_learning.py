"""How superposition is learnt: the room that features have stays at levels, and goes from one to the next in jumps.

Elhage et al. 2022, "Toy Models of Superposition", the section on superposition and learning dynamics.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.seeds import generator_for
from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_claims import FULL, Effort, Experiment, compared
from hooke.specimens.toy_geometry import LINEAR, NEAR
from hooke.specimens.toy_measures import dimensionality, represented
from hooke.specimens.toy_models import ToyTraining, train_toys

LEVELS = (1.0, 1 / 2, 2 / 5)
"""Dimensionalities that a feature in a plane can rest at: alone, in an antipodal pair, in a pentagon."""

N_FEATURES, N_HIDDEN, DENSITY = 5, 2, 0.05
_EVERY = 20


def resting(history: Float[Tensor, "snapshot instance feature hidden"]) -> Float[Tensor, " instance"]:
    """The share of the time, over the features that are represented by then, that a feature's D is on a level."""
    room, there = dimensionality(history), represented(history)
    near = (room[..., None] - torch.tensor(LEVELS)).abs().amin(-1) < NEAR
    return (near & there).sum((0, 2)) / there.sum((0, 2)).clamp_min(1)


def sharpest_tenth(history: Float[Tensor, "snapshot instance feature hidden"]) -> Float[Tensor, " instance"]:
    """The share of all change in D that falls in the tenth of the training in which it changes most; 0.1 is steady."""
    change = dimensionality(history).diff(dim=0).abs().sum(-1)
    n_sharpest = max(1, len(change) // 10)
    return change.sort(dim=0, descending=True).values[:n_sharpest].sum(0) / change.sum(0).clamp_min(1e-9)


def learning(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """Five features in a plane while they are learnt: do they rest at levels, and jump between them?"""
    n_seeds, n_steps = effort.n_seeds(16), effort.n_steps(2000)
    is_linear = torch.arange(2 * n_seeds) >= n_seeds
    toys = train_toys(
        independent(torch.full((2 * n_seeds,), DENSITY), N_FEATURES),
        torch.ones(2 * n_seeds, N_FEATURES),
        N_HIDDEN,
        is_linear,
        training=ToyTraining(n_steps=n_steps, lr=2e-3),
        generator=generator_for(seed, "learning"),
        snapshots=range(0, n_steps + 1, _EVERY),
        about="learning",
    )
    assert toys.history is not None
    assert toys.history_losses is not None
    measures = (
        ("share of the training that a feature's D rests at 1, 1/2 or 2/5", resting, "levels"),
        ("share of the change in D within the busiest tenth of the training", sharpest_tenth, "sudden jumps"),
    )
    claims = tuple(
        compared(
            claim,
            measure(toys.history[:, ~is_linear]).numpy(),
            measure(toys.history[:, is_linear]).numpy(),
            control_name=LINEAR,
            published=said,
            seed=seed,
        )
        for claim, measure, said in measures
    )
    best = [int(toys.losses[:n_seeds].argmin()), n_seeds + int(toys.losses[n_seeds:].argmin())]
    data = {
        "steps": list(toys.steps),
        "dimensionality": [dimensionality(toys.history[:, one]).T.tolist() for one in best],
        "loss": [toys.history_losses[:, one].tolist() for one in best],
    }
    about = (
        f"{N_FEATURES} equally important features in a plane, present on {DENSITY:.0%} of inputs; {n_seeds} models "
        f"with a relu and as many without, looked at every {_EVERY} steps."
    )
    return Experiment(name="learning", title="Learning by levels", about=about, claims=claims, data=data)
