"""The direction of refusing, by the published rule, on any model (Arditi et al. 2024, 2406.11717).

candidates   mean row of prompts that are refused minus that of harmless ones, at every token behind the instruction
taken out    from block inputs, attention outputs and MLP outputs of all layers, while either is read
added        once to its own block input, while harmless prompts are read
chosen       what leaves the least refusal when taken out, of those that change harmless prompts little, make the model
             refuse when added, and lie in the first four fifths of the layers

Edits of one run only: nothing here changes or writes weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.errors import BadRequest
from hooke.models.edits import Add, Edit, Project
from hooke.models.model import Model, Tokens
from hooke.progress import track
from hooke.sites import Site

KL_LIMIT = 0.1
"""Mean divergence on harmless prompts up to which a direction may be taken out, in nats."""
FIRST_LAYERS = 0.8
"""Share of the layers that directions are taken from."""
FEWEST = 12
"""Candidates that are taken out even where none makes the model refuse: those that come nearest to it."""
_WRITERS = ("resid_pre", "attn_out", "mlp_out")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """A direction with what it did on the prompts that the choice is made on."""

    site: Site
    """Block input that it was read at."""
    place: int
    """Token that it was read at, from the end."""
    vector: Float[Tensor, " d_model"]
    """The difference of means."""
    left: float
    """Mean refusal score of prompts that are refused, with it taken out."""
    kl: float
    """Mean divergence of harmless prompts' next token, with it taken out, in nats."""
    added: float
    """Mean refusal score of harmless prompts, with it added."""

    def passes(self, n_layers: int) -> bool:
        """Whether the rule allows it."""
        assert self.site.layer is not None
        return self.kl <= KL_LIMIT and self.added >= 0 and self.site.layer < FIRST_LAYERS * n_layers


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What the rule says of a model."""

    tried: tuple[Candidate, ...]
    """Those that were tried whole, the least refusal left first; no other can pass."""
    n_candidates: int
    """How many there were."""
    before: float
    """Mean refusal score of prompts that are refused, without any edit."""
    n_layers: int
    """Layers of the model."""

    @property
    def chosen(self) -> Candidate | None:
        """The first that passes; None where none does."""
        return next((one for one in self.tried if one.passes(self.n_layers)), None)

    @property
    def is_found(self) -> bool:
        """Whether refusing, likely before, is unlikely with the chosen one taken out: the rule itself asks for less."""
        return self.chosen is not None and self.before > 0 > self.chosen.left


def choose(
    model: Model,
    fit: tuple[Tokens, Tokens],
    validation: tuple[Tokens, Tokens],
    refusing: Sequence[int],
    *,
    n_places: int,
    layers: Sequence[int] | None = None,
) -> Choice:
    """The candidates of a model, tried: all are added, and those that make it refuse are taken out, too.

    Args:
        fit: prompts that are refused, and harmless ones: what directions are made of.
        validation: others of each: what they are chosen on.
        refusing: tokens that refusals begin with.
        n_places: tokens behind the instruction, the last ones of every prompt.
        layers: layers whose input is read; all unless given.

    Raises:
        BadRequest: there are no tokens that refusals begin with, or a prompt is shorter than that.
        UnsupportedModel: the model does not have one of the sites.
    """
    if not refusing or min(int(one.lengths.min()) for one in (*fit, *validation)) < n_places or n_places < 1:
        raise BadRequest(
            "Refusals cannot be looked for.",
            f"{len(refusing)} tokens that they begin with, {n_places} places.",
            "Give tokens, and places that every prompt has.",
        )
    sites = [Site("resid_pre", layer) for layer in (layers or range(model.n_layers))]
    harmful, harmless = validation
    unedited = log_probabilities_after(model, harmless)
    differences = _differences(model, fit, sites, n_places)
    rises = [
        float(refusal_scores(log_probabilities_after(model, harmless, added(site, vector)), refusing).mean())
        for site, _, vector in track(differences, "refusal directions, added", unit="tried")
    ]
    # What does not make the model refuse cannot pass, so that most candidates cost one run of three.
    order = sorted(range(len(rises)), key=lambda at: -rises[at])
    n_tried = max(sum(one >= 0 for one in rises), FEWEST)
    found = []
    for at in track(order[:n_tried], "refusal directions, taken out", unit="tried"):
        site, place, vector = differences[at]
        without = taken_out(model, vector)
        found.append(
            Candidate(
                site=site,
                place=place,
                vector=vector,
                left=float(refusal_scores(log_probabilities_after(model, harmful, without), refusing).mean()),
                kl=float(divergences(unedited, log_probabilities_after(model, harmless, without)).mean()),
                added=rises[at],
            )
        )
    before = float(refusal_scores(log_probabilities_after(model, harmful), refusing).mean())
    tried = tuple(sorted(found, key=lambda one: one.left))
    return Choice(tried=tried, n_candidates=len(differences), before=before, n_layers=model.n_layers)


def _differences(
    model: Model, fit: tuple[Tokens, Tokens], sites: Sequence[Site], n_places: int
) -> list[tuple[Site, int, Tensor]]:
    places = list(range(-n_places, 0))
    harmful, harmless = (model.run(one, capture=sites, positions=places, logits=False) for one in fit)
    found = []
    for site in sites:
        means = harmful[site].float().mean(0) - harmless[site].float().mean(0)
        # What stands before the first changed token is the same in both, and no direction.
        found += [(site, place, row.cpu()) for place, row in zip(places, means, strict=True) if bool(row.any())]
    return found


def taken_out(model: Model, vector: Float[Tensor, " d_model"]) -> list[Edit]:
    """Edits that take a direction out of all that blocks read and write."""
    return [
        Project(site=str(Site(kind, layer)), direction=vector) for layer in range(model.n_layers) for kind in _WRITERS
    ]


def added(site: Site, vector: Float[Tensor, " d_model"]) -> list[Edit]:
    """The edit that adds a direction once, at every token."""
    return [Add(site=str(site), vector=vector)]


def log_probabilities_after(model: Model, prompts: Tokens, edits: Sequence[Edit] = ()) -> Float[Tensor, "prompt vocab"]:
    """Log-probabilities of the token after each prompt."""
    run = model.run(prompts, edits=edits, capture=["logits"], positions=[-1])
    return run["logits"][:, 0].float().log_softmax(-1).cpu()


def refusal_scores(
    log_probabilities: Float[Tensor, "prompt vocab"], refusing: Sequence[int]
) -> Float[Tensor, " prompt"]:
    """Log-odds that the next token is one that refusals begin with."""
    among = log_probabilities[:, list(refusing)].logsumexp(-1)
    return among - torch.log1p(-among.exp().clamp(max=1 - 1e-7))


def divergences(
    before: Float[Tensor, "prompt vocab"], after: Float[Tensor, "prompt vocab"]
) -> Float[Tensor, " prompt"]:
    """How far the prediction after each prompt moved, KL(before | after), in nats."""
    return (before.exp() * (before - after)).sum(-1)
