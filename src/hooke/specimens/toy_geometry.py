"""How toy models lay features out: more than dimensions once features are sparse, at the corners of regular bodies.

Elhage et al. 2022, "Toy Models of Superposition": the introductory figure, and the geometry of uniform superposition.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.seeds import generator_for
from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_claims import FULL, Claim, Effort, Experiment, compared
from hooke.specimens.toy_measures import dimensionality, represented, represented_dimensionality
from hooke.specimens.toy_models import Toys, ToyTraining, train_toys

DENSITIES = (1.0, 0.4, 0.2, 0.1, 0.05, 0.03, 0.01)
"""Shares of inputs on which a feature is present."""

N_FEATURES, N_HIDDEN, FALL = 5, 2, 0.9
"""Five features in a plane, each 0.9 times as important as the one before."""

BODIES = (
    (2, 1, 1 / 2, "antipodal pair"),
    (3, 2, 2 / 3, "triangle"),
    (4, 3, 3 / 4, "tetrahedron"),
    (5, 2, 2 / 5, "pentagon"),
    (6, 3, 1 / 2, "three antipodal pairs"),
    (8, 3, 3 / 8, "square antiprism"),
)
"""Features, dimensions, the share of a dimension that each feature then has, and the body whose corners they are."""

NEAR = 0.02
"""How close to a level a feature's dimensionality must be to count as on it."""

TRIES = 4
"""Of how many models the one with the lowest loss is taken: many end in worse minima."""

LINEAR = "the same models without the relu"
"""The control of most claims."""


def layouts(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """Five features in a plane, from dense to sparse: how many are represented, and how much room each one has."""
    n_seeds = effort.n_seeds(6)
    density = torch.tensor(DENSITIES).repeat_interleave(n_seeds)
    toys = beside_linear(density, FALL ** torch.arange(N_FEATURES), N_HIDDEN, effort.n_steps(3000), "layouts", seed)
    split = (2, len(DENSITIES), n_seeds)
    counts = represented(toys.weights).sum(-1).float().view(split)
    room = represented_dimensionality(toys.weights).view(split)
    losses = toys.losses.view(split)
    top = toys.weights[..., :N_HIDDEN, :].square().sum((-1, -2)) / toys.weights.square().sum((-1, -2))
    place = {one: at for at, one in enumerate(DENSITIES)}

    def of(claim: str, values: Tensor, density: float, published: str) -> Claim:
        relu, linear = (values[arm, place[density]].numpy() for arm in (0, 1))
        text = f"{claim}, density {density:g}"
        return compared(text, relu, linear, control_name=LINEAR, published=published, seed=seed)

    drawn = torch.randn(toys.weights.shape, generator=generator_for(seed, "planes"))
    by_chance = drawn[..., :N_HIDDEN, :].square().sum((-1, -2)) / drawn.square().sum((-1, -2))
    claims = (
        of("features represented in a plane", counts, 1.0, "2"),
        of("features represented in a plane", counts, 0.2, "4"),
        of("features represented in a plane", counts, 0.03, "5"),
        of("dimensions for each of them", room, 0.2, "1/2"),
        of("dimensions for each of them", room, 0.03, "2/5"),
        of("loss per density", losses / density.view(1, len(DENSITIES), n_seeds), 0.1, "below the linear model's"),
        compared(
            "share of a linear model's weights on the two most important features, all densities",
            top[toys.is_linear].numpy(),
            by_chance[toys.is_linear].numpy(),
            control_name="weights drawn at random",
            published="1 (principal components)",
            seed=seed,
        ),
    )
    best = losses.argmin(-1)
    weights = toys.weights.view(*split, N_FEATURES, N_HIDDEN)
    arms = [[weights[arm, at, best[arm, at]].tolist() for at in range(len(DENSITIES))] for arm in (0, 1)]
    data = {
        "densities": list(DENSITIES),
        "relu": arms[0],
        "linear": arms[1],
        "represented": counts.tolist(),
        "loss": losses.min(-1).values.tolist(),
    }
    about = (
        f"Five features in two dimensions, each {FALL} times as important as the one before, {n_seeds} models for each "
        "density with a relu and as many without."
    )
    return Experiment(name="layouts", title="More features than dimensions", about=about, claims=claims, data=data)


def bodies(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """Equally important, very sparse features: do they take the corners of regular bodies?"""
    n_best = effort.n_seeds(6)
    claims, shown = [], []
    for n_features, n_hidden, level, name in BODIES:
        density = torch.full((n_best * TRIES,), 0.03)
        toys = beside_linear(density, torch.ones(n_features), n_hidden, effort.n_steps(1500), name, seed).best_of(TRIES)
        on_level = ((dimensionality(toys.weights) - level).abs() < NEAR).float().mean(-1)
        title = f"share of features with D = {level:.3g} ({name}), {n_features} in {n_hidden} dimensions"
        relu, linear = on_level[~toys.is_linear].numpy(), on_level[toys.is_linear].numpy()
        claims.append(
            compared(title, relu, linear, control_name=LINEAR, published=f"D levels, {level:.3g} among them", seed=seed)
        )
        shown.append({"name": name, "level": level, "dimensionality": dimensionality(toys.weights).tolist()})
    about = (
        f"Features of one importance, present on 3 % of inputs; {n_best} times the best of {TRIES} models of each "
        f"shape with a relu, and as many without. On a level is what is within {NEAR} of it."
    )
    return Experiment(
        name="bodies", title="Corners of regular bodies", about=about, claims=tuple(claims), data={"bodies": shown}
    )


def beside_linear(
    density: Float[Tensor, " instance"],
    importance: Float[Tensor, " feature"],
    n_hidden: int,
    n_steps: int,
    purpose: str,
    seed: int,
) -> Toys:
    """Models of these densities with a relu, then as many without."""
    both = density.repeat(2)
    is_linear = torch.arange(len(both)) >= len(density)
    return train_toys(
        independent(both, len(importance)),
        importance.expand(len(both), -1),
        n_hidden,
        is_linear,
        training=ToyTraining(n_steps=n_steps),
        generator=generator_for(seed, purpose),
        about=purpose,
    )
