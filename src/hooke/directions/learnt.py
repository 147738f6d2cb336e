"""A vector that is learnt by what it does: added to the stream it makes texts with a concept likelier, others not.

    loss = mean NLL of texts with the concept under +v  +  mean NLL of those without under -v,  |v| at most the dose

Only the part of the model above the site is run again. What is claimed is measured on groups held out, beside random
directions of the same length and the difference of means at that length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from hooke.directions.controls import random_like
from hooke.directions.direction import Direction, Made
from hooke.directions.group_draws import GroupDraws, estimated
from hooke.directions.makers import means
from hooke.directions.pooling import Pooling
from hooke.directions.splits import split_by_group
from hooke.directions.token_rows import read_rows
from hooke.errors import BadConfig, BadRequest
from hooke.findings import Estimate, Finding
from hooke.models.model import Model
from hooke.models.split import SplitRun, split_run
from hooke.progress import track
from hooke.sites import Site
from hooke.text.concepts import Labelled

_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnConfig:
    """How a vector is learnt."""

    dose: float = 0.3
    """Its greatest length, as a share of the median length of the site's rows on the texts."""
    steps: int = 15
    """Steps of Adam."""
    n_texts: int = 24
    """Texts of each label that it is learnt on, at most."""
    n_controls: int = 10
    """Random directions that it is measured beside."""
    seed: int = 0
    """Seed of the split, the texts and the controls."""

    def __post_init__(self) -> None:
        if self.dose <= 0 or min(self.steps, self.n_texts, self.n_controls) < 1:
            raise BadConfig(
                "A vector cannot be learnt so.",
                f"dose {self.dose}, {self.steps} steps, {self.n_texts} texts, {self.n_controls} controls.",
                "Give numbers above 0.",
            )


def learn_direction(
    model: Model, items: Sequence[Labelled], site: Site, *, name: str, concept: str, config: LearnConfig | None = None
) -> Direction:
    """The vector and what it does on groups held out.

    Raises:
        BadRequest: the texts have too few groups, or the model cannot be run again from this site.
        UnknownSite, UnsupportedModel, PromptTooLong: see `Model.run`.
    """
    config = config or LearnConfig()
    split = split_by_group(items, seed=config.seed)
    drawn = [items[at] for at in np.random.default_rng(config.seed).permutation(split.fit).tolist()]
    sides = [[one for one in drawn if one.label == label][: config.n_texts] for label in (True, False)]
    chosen = [*sides[0], *sides[1]]
    held = [items[at] for at in split.confirmation]
    rows = read_rows(model, chosen, [site])
    longest = config.dose * float(rows.rows[site].norm(dim=-1).median())
    vector = _learnt(_opened(model, chosen, site), longest, config.steps)
    made = Made(
        method="learnt",
        concept=concept,
        model=model.name,
        model_fingerprint=model.fingerprint,
        n=len(chosen),
        n_groups=len({one.group for one in chosen}),
        seed=config.seed,
        settings={"dose": config.dose, "steps": config.steps},
    )
    plain = means(rows, [site], Pooling(), config.seed).vectors[0]
    findings = _findings(_opened(model, held, site), held, vector, plain, concept, config)
    return Direction(name=name, site=str(site), vector=vector, made=made, findings=findings)


@dataclass(frozen=True, slots=True)
class _Batch:
    run: SplitRun
    signs: Float[Tensor, " text"]
    predicted: Bool[Tensor, "text pos"]

    def losses(self, vector: Tensor, signs: Tensor) -> Float[Tensor, " text"]:
        """Mean cross-entropy of each text with signs · vector added at every token but the first."""
        value = self.run.value
        step = (signs[:, None, None] * vector).expand_as(value).clone()
        step[:, 0] = 0
        stream = value + step.to(value)
        for call in self.run.calls:
            stream = call.again(stream)
        ids, found = self.run.tokens.ids, []
        for row in range(len(stream)):
            at = self.predicted[row, 1:]
            found.append(cross_entropy(self.run.model.unembed(stream[row, :-1][at]).float(), ids[row, 1:][at]))
        return torch.stack(found)


def _opened(model: Model, items: Sequence[Labelled], site: Site) -> list[_Batch]:
    found = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        run = split_run(model, [one.text for one in batch], site)
        if not run.calls:
            raise BadRequest(
                f"Nothing can be learnt at '{site}'.",
                "The model cannot be run again from there.",
                "Give resid_post of a layer before the last.",
            )
        predicted = run.tokens.mask.clone()
        # An edited position predicts from token 2 on; a text that has none is predicted by its last token.
        predicted[:, :2] = False
        rest = ~predicted.any(1)
        predicted[rest, run.tokens.lengths[rest] - 1] = True
        if bool((run.tokens.lengths < 2).any()):
            raise BadRequest("A text of one token predicts nothing.", "", "Leave it out.")
        signs = torch.tensor([1.0 if one.label else -1.0 for one in batch], device=run.value.device)
        found.append(_Batch(run, signs, predicted))
    return found


def _learnt(batches: Sequence[_Batch], longest: float, steps: int) -> Float[Tensor, " width"]:
    model, n_positive = batches[0].run.model, sum(int((one.signs > 0).sum()) for one in batches)
    n = sum(len(one.signs) for one in batches)
    width = batches[0].run.value.shape[-1]
    vector = torch.zeros(width, device=batches[0].run.value.device, requires_grad=True)
    optimiser = torch.optim.Adam([vector], lr=longest / 5 / width**0.5)
    for _ in track(range(steps), "learn", unit="steps"):
        slope = torch.zeros_like(vector)
        for batch in batches:
            shares = torch.where(batch.signs > 0, 1 / n_positive, 1 / max(n - n_positive, 1))
            with model.alone(), torch.enable_grad():
                loss = (batch.losses(vector, batch.signs) * shares).sum()
                slope += torch.autograd.grad(loss, vector)[0]
        vector.grad = slope
        optimiser.step()
        with torch.no_grad():
            vector *= min(1.0, longest / max(float(vector.norm()), 1e-12))
    return vector.detach().cpu()


def _findings(
    batches: Sequence[_Batch],
    held: Sequence[Labelled],
    vector: Tensor,
    plain: Tensor,
    concept: str,
    config: LearnConfig,
) -> tuple[Finding, ...]:
    labels = np.array([one.label for one in held], dtype=bool)
    draws = GroupDraws.of(labels, [one.group for one in held], seed=config.seed)
    before = _losses(batches, torch.zeros_like(vector))
    generator = np.random.default_rng([config.seed, 2])

    def gain(step: Tensor) -> Estimate:
        change = before - _losses(batches, step)
        weights = draws.weights.astype(np.float64)
        sides = [(weights[:, side] @ change[side]) / weights[:, side].sum(1) for side in (labels, ~labels)]
        return estimated(sides[0] - sides[1])

    own = gain(vector)
    random = max(
        (gain(random_like(vector, generator=generator)) for _ in range(config.n_controls)), key=lambda one: one.value
    )
    beside = {
        "random": (f"the largest of {config.n_controls} random directions of the same length", random),
        "means": ("the difference of means at the same length", gain(plain / plain.norm() * vector.norm())),
    }
    return tuple(
        Finding(
            claim=f"added, it makes held-out texts with '{concept}' likelier than those without; beside {name}",
            value=own.value,
            interval=own.interval,
            n=len(held),
            control=one.value,
            control_interval=one.interval,
            control_name=about,
            unit=" nats per token",
            method="change of cross-entropy with the concept minus without, groups resampled",
            seed=config.seed,
        )
        for name, (about, one) in beside.items()
    )


def _losses(batches: Sequence[_Batch], vector: Tensor) -> Float[np.ndarray, " text"]:
    with batches[0].run.model.alone(), torch.no_grad():
        found = [batch.losses(vector.to(batch.signs), torch.ones_like(batch.signs)) for batch in batches]
    return torch.cat(found).double().cpu().numpy()
