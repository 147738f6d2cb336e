"""Features per dimension, and what sharing dimensions costs: small inputs chosen against it move what is read back.

Elhage et al. 2022, "Toy Models of Superposition": dimensions per feature, and the section on adversarial vulnerability.
"""

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from hooke.seeds import generator_for
from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_claims import FULL, Effort, Experiment, compared
from hooke.specimens.toy_geometry import LINEAR, NEAR, beside_linear
from hooke.specimens.toy_measures import dimensionality, represented
from hooke.specimens.toy_models import Toys, rebuild

N_FEATURES, N_HIDDEN = 48, 12
DENSITIES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.015)
"""Shares of inputs on which a feature is present."""
SHARED, MIXED = 0.35, 0.12
"""Densities at which features share dimensions in pairs, and in larger numbers."""
LENGTH = 0.1
"""Length of an attack, within which every direction of the input is allowed."""

_N_ATTACKED = 128
_N_ASCENTS = 8


def attacked(
    toys: Toys, x: Float[Tensor, "instance batch feature"], *, generator: Generator
) -> tuple[Float[Tensor, " instance"], Float[Tensor, " instance"]]:
    """How much an added input of length `LENGTH` raises the squared error: the worst that is found, and a random one.

    The worst is looked for by steps along the gradient from the random one, brought back to that length each time.
    What should be read back is the input before the attack.
    """

    def error(added: Tensor) -> Tensor:
        return (rebuild(toys.weights, toys.bias, toys.is_linear, x + added) - x).square().sum(-1)

    added = LENGTH * functional.normalize(torch.randn(x.shape, generator=generator), dim=-1)
    clean, by_chance = error(torch.zeros_like(x)), error(added)
    worst = torch.maximum(clean, by_chance)
    for _ in range(_N_ASCENTS):
        added = added.requires_grad_()
        (gradient,) = torch.autograd.grad(error(added).sum(), added)
        moved = added.detach() + LENGTH / 2 * functional.normalize(gradient, dim=-1)
        added = LENGTH * functional.normalize(moved, dim=-1)
        worst = torch.maximum(worst, error(added))
    return (worst - clean).mean(-1), (by_chance - clean).mean(-1)


def attacks(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """Many equally important features: how many share a dimension, and how easily they are led astray."""
    n_seeds = effort.n_seeds(4)
    density = torch.tensor(DENSITIES).repeat_interleave(n_seeds)
    toys = beside_linear(density, torch.ones(N_FEATURES), N_HIDDEN, effort.n_steps(1500), "attacks", seed)
    generator = generator_for(seed, "attack")
    x = independent(density.repeat(2), N_FEATURES)(_N_ATTACKED, generator)
    split = (2, len(DENSITIES), n_seeds)
    worst, by_chance = (one.view(split) for one in attacked(toys, x, generator=generator))
    per_dimension = (toys.weights.square().sum((-1, -2)) / N_HIDDEN).view(split)
    room, there = dimensionality(toys.weights), represented(toys.weights)
    on_half = (((room - 0.5).abs() < NEAR) & there).sum(-1) / there.sum(-1)
    place = {one: at for at, one in enumerate(DENSITIES)}
    by_claim = (
        ("features per dimension, density 1", per_dimension, 1.0, "1"),
        (f"features per dimension, density {SHARED}", per_dimension, SHARED, "about 2, over a range of densities"),
        (f"share of represented features with D = 0.5, density {SHARED}", on_half.view(split), SHARED, "a level (1/2)"),
        ("rise of the error under attack, density 1", worst, 1.0, "as without superposition"),
        (f"rise of the error under attack, density {SHARED}", worst, SHARED, "more than 3 times"),
        (f"rise of the error under attack, density {MIXED}", worst, MIXED, "more than 3 times"),
    )
    claims = [
        compared(
            claim, *(values[arm, place[at]].numpy() for arm in (0, 1)), control_name=LINEAR, published=said, seed=seed
        )
        for claim, values, at, said in by_claim
    ]
    claims.append(
        compared(
            f"rise of the error under attack, density {MIXED}, chosen and random direction",
            worst[0, place[MIXED]].numpy(),
            by_chance[0, place[MIXED]].numpy(),
            control_name="a random input of the same length",
            published="",
            seed=seed,
        )
    )
    data = {
        "densities": list(DENSITIES),
        "per_dimension": per_dimension.tolist(),
        "worst": worst.tolist(),
        "by_chance": by_chance.tolist(),
        "dimensionality": room.view(*split, -1).tolist(),
        "represented": there.view(*split, -1).tolist(),
    }
    about = (
        f"{N_FEATURES} features of one importance in {N_HIDDEN} dimensions, {n_seeds} models for each density with a "
        f"relu and as many without. Features per dimension: the sum of squared norms over the dimensions. "
        f"Attack: the worst input of length {LENGTH} added."
    )
    return Experiment(name="attacks", title="What sharing costs", about=about, claims=tuple(claims), data=data)
