"""Phase diagrams of superposition: what becomes of one more feature, by its density and its relative importance.

Elhage et al. 2022, "Toy Models of Superposition", the section on phase change. What a small model can do is few enough
to be written out, so that what training finds is held against the cheapest of it in closed form.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.seeds import generator_for
from hooke.specimens.sparse_data import independent
from hooke.specimens.toy_claims import FULL, Claim, Effort, Experiment, compared
from hooke.specimens.toy_geometry import LINEAR
from hooke.specimens.toy_measures import DEDICATED, IGNORED, SUPERPOSED, fates
from hooke.specimens.toy_models import ToyTraining, train_toys

FATES = ("ignored", "a dimension of its own", "superposed")
"""What can become of a feature; places are the numbers that `fates` gives."""

N_CELLS = 10
"""Densities, and relative importances, of a diagram: even, so that no cell is a tie between features."""

_SHAPES = ((2, 1), (3, 2))


def closed_form(
    density: Float[Tensor, " cell"], importance: Float[Tensor, "cell feature"], n_hidden: int
) -> tuple[Float[Tensor, " cell"], Int[Tensor, " cell"]]:
    """The lowest loss of any way to share the dimensions, and what it makes of the last feature.

    Each dimension holds nothing, one feature, or two that are antipodal. A feature p = density of the time uniform on
    [0, 1] costs, ignored, its variance p/3 - p²/4; with a dimension of its own nothing; and of an antipodal pair each
    costs p²/6, what the smaller of two uniform numbers squared is in the mean, when both are there.
    """
    variance, shared = density / 3 - density**2 / 4, density**2 / 6
    costs, ends = [], []
    for ignored, pairs in _ways(importance.shape[1], n_hidden):
        superposed = [one for pair in pairs for one in pair]
        costs.append(importance[:, ignored].sum(1) * variance + importance[:, superposed].sum(1) * shared)
        last = importance.shape[1] - 1
        ends.append(IGNORED if last in ignored else SUPERPOSED if last in superposed else DEDICATED)
    lowest = torch.stack(costs).min(0)
    return lowest.values, torch.tensor(ends)[lowest.indices]


def _ways(n_features: int, n_hidden: int) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Every set of ignored features with every set of antipodal pairs that leaves each other feature a dimension."""

    def split(rest: Sequence[int], free: int) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
        if not rest:
            yield [], []
            return
        first, others = rest[0], rest[1:]
        for ignored, pairs in split(others, free):
            yield [first, *ignored], pairs
        if free == 0:
            return
        yield from split(others, free - 1)
        for other in others:
            for ignored, pairs in split([one for one in others if one != other], free - 1):
                yield ignored, [(first, other), *pairs]

    return split(range(n_features), n_hidden)


def phase_diagram(*, effort: Effort = FULL, seed: int = 0) -> Experiment:
    """What becomes of one more feature than there are dimensions, in training and in closed form."""
    claims: list[Claim] = []
    diagrams = []
    n_seeds = effort.n_seeds(3)
    for n_features, n_hidden in _SHAPES:
        density, importance = _grid(n_features)
        trained, linear, loss = _trained(density, importance, n_hidden, effort, seed)
        cheapest, predicted = closed_form(density, importance, n_hidden)
        shape = f"{n_features} features in {n_hidden} dimension{'s'[: n_hidden - 1]}"
        claims.append(_agreement(shape, trained, predicted, seed))
        claims.append(
            compared(
                f"share of cells with the last feature superposed, {shape}",
                (trained == SUPERPOSED).double().numpy(),
                (linear == SUPERPOSED).double().numpy(),
                control_name=LINEAR,
                published="one of three regions",
                seed=seed,
                method="share of the cells of the diagram; 95 % bootstrap interval over cells",
            )
        )
        diagrams.append(
            {
                "n_features": n_features,
                "n_hidden": n_hidden,
                "densities": _densities().tolist(),
                "importances": _importances().tolist(),
                "trained": trained.view(N_CELLS, N_CELLS).tolist(),
                "closed_form": predicted.view(N_CELLS, N_CELLS).tolist(),
                "loss": loss.tolist(),
                "closed_form_loss": cheapest.tolist(),
            }
        )
    about = (
        f"The last feature is as important as its row says relative to the others; in each cell the best of {n_seeds} "
        "models. In closed form each dimension holds one feature, two that are antipodal, or none."
    )
    return Experiment(
        name="phases", title="Three phases", about=about, claims=tuple(claims), data={"diagrams": diagrams}
    )


def _densities() -> Float[Tensor, " density"]:
    return torch.logspace(0, -2, N_CELLS)


def _importances() -> Float[Tensor, " importance"]:
    return torch.logspace(-1, 1, N_CELLS)


def _grid(n_features: int) -> tuple[Float[Tensor, " cell"], Float[Tensor, "cell feature"]]:
    """Density and importances of each cell; cells run over densities within each relative importance."""
    density = _densities().repeat(N_CELLS)
    importance = torch.ones(N_CELLS**2, n_features)
    importance[:, -1] = _importances().repeat_interleave(N_CELLS)
    return density, importance


def _trained(
    density: Tensor, importance: Tensor, n_hidden: int, effort: Effort, seed: int
) -> tuple[Int[Tensor, " cell"], Int[Tensor, " cell"], Float[Tensor, " cell"]]:
    """The fate of the last feature in the best model of each cell, the same without a relu, and the best loss."""
    n_seeds, n_cells = effort.n_seeds(3), len(density)
    is_linear = torch.arange((n_seeds + 1) * n_cells) >= n_seeds * n_cells
    toys = train_toys(
        independent(density.repeat(n_seeds + 1), importance.shape[1]),
        importance.repeat(n_seeds + 1, 1),
        n_hidden,
        is_linear,
        training=ToyTraining(n_steps=effort.n_steps(1500), batch=128),
        generator=generator_for(seed, f"phases {n_hidden}"),
        about=f"phases of {importance.shape[1]} features",
    )
    last = fates(toys.weights)[:, -1].view(n_seeds + 1, n_cells)
    losses = toys.losses.view(n_seeds + 1, n_cells)[:-1].min(0)
    return last[losses.indices, torch.arange(n_cells)], last[-1], losses.values


def _agreement(shape: str, trained: Tensor, predicted: Tensor, seed: int) -> Claim:
    """How often training and closed form agree, beside the same predictions dealt out to other cells."""
    dealt: ndarray = np.random.default_rng([seed, len(shape)]).permutation(predicted.numpy())
    return compared(
        f"share of cells in which training ends as the cheapest closed form does, {shape}",
        (trained == predicted).double().numpy(),
        (trained.numpy() == dealt).astype(np.float64),
        control_name="predictions dealt out to other cells",
        published="theory and training match",
        seed=seed,
        method="share of the cells of the diagram; 95 % bootstrap interval over cells",
    )
