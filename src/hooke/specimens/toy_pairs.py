"""Features that come in pairs: together, and they are given room of their own; never together, and they share a line.

Elhage et al. 2022, "Toy Models of Superposition", the section on correlated and anticorrelated features.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hooke.seeds import generator_for
from hooke.specimens.sparse_data import RELATIONS, paired
from hooke.specimens.toy_claims import FULL, Effort, Experiment, compared
from hooke.specimens.toy_geometry import LINEAR, TRIES
from hooke.specimens.toy_models import Toys, ToyTraining, train_toys

DENSITY = 0.2
N_PAIRS, N_HIDDEN = 2, 2
ANTIPODAL, ORTHOGONAL = -0.9, 0.2
"""A pair is antipodal below the one cosine, and orthogonal within the other."""


def cosines_within(weights: Float[Tensor, "instance feature hidden"]) -> Float[Tensor, "instance pair"]:
    """The cosine between the two features of each pair."""
    unit = functional.normalize(weights, dim=-1)
    return (unit[:, 0::2] * unit[:, 1::2]).sum(-1)


def pairs(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """Two pairs of features in a plane: which of them are orthogonal, and which antipodal."""
    n_best = effort.n_seeds(16)
    relu = {one: _trained(one, n_best, effort, seed, is_linear=False) for one in RELATIONS}
    linear = {one: _trained(one, n_best, effort, seed, is_linear=True) for one in RELATIONS}
    within = {one: cosines_within(toys.weights) for one, toys in relu.items()}
    linear_within = {one: cosines_within(toys.weights) for one, toys in linear.items()}
    apart = "independent features"

    def antipodal(cosines: Tensor) -> list[float]:
        return (cosines < ANTIPODAL).float().mean(-1).tolist()

    def orthogonal(cosines: Tensor) -> list[float]:
        return (cosines.abs() < ORTHOGONAL).float().mean(-1).tolist()

    asked = (
        ("antipodal", antipodal, "anticorrelated", within["independent"], apart, "antipodal"),
        ("antipodal", antipodal, "correlated", within["independent"], apart, "not antipodal"),
        ("orthogonal", orthogonal, "correlated", linear_within["correlated"], LINEAR, "orthogonal"),
    )
    claims = [
        compared(
            f"share of {relation} pairs that are {word}",
            measured(within[relation]),
            measured(beside),
            control_name=name,
            published=said,
            seed=seed,
        )
        for word, measured, relation, beside, name, said in asked
    ]
    claims.append(
        compared(
            "loss on anticorrelated pairs",
            relu["anticorrelated"].losses.numpy(),
            linear["anticorrelated"].losses.numpy(),
            control_name=LINEAR,
            published="lower, antipodal at no cost",
            seed=seed,
        )
    )
    arms = (("relu", relu), ("linear", linear))
    data = {
        name: {one: toys.weights[int(toys.losses.argmin())].tolist() for one, toys in arm.items()} for name, arm in arms
    }
    data["cosines"] = {one: values.tolist() for one, values in within.items()}
    about = (
        f"Two pairs of equally important features in a plane, each feature present on {DENSITY:.0%} of inputs; "
        f"{n_best} times the best of {TRIES} models."
    )
    return Experiment(
        name="pairs", title="Features that know of each other", about=about, claims=tuple(claims), data=data
    )


def _trained(relation: str, n_best: int, effort: Effort, seed: int, *, is_linear: bool) -> Toys:
    n_models = n_best * TRIES
    toys = train_toys(
        paired(torch.full((n_models,), DENSITY), N_PAIRS, relation),
        torch.ones(n_models, 2 * N_PAIRS),
        N_HIDDEN,
        torch.full((n_models,), is_linear),
        training=ToyTraining(n_steps=effort.n_steps(1200), batch=128),
        generator=generator_for(seed, f"{relation} {is_linear}"),
        about=f"{relation} pairs",
    )
    return toys.best_of(TRIES)
