"""What is lost when a feature fades, by the model's own derivative: attention and norms answer, nothing is frozen.

    loss = Σ over what the feature writes to each mlp_out  of  vector · ∂reading/∂mlp_out

One forward pass, and one backward pass for each reading. It is the first-order prediction of an ablation (attribution
patching: Nanda 2023; Kramár et al. 2024), and no account: it does not say by which edges. What it differs by from the
frozen model's effect is what attention patterns and norms do when they may answer.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.basis import Basis
from hooke.circuits.frozen import FrozenModel
from hooke.circuits.targets import Target, logit_scale
from hooke.models.hooks import CompiledEdit, Moment, Pass, Stop, adding_leaves
from hooke.models.model import Model
from hooke.sites import Site


@dataclass(frozen=True, slots=True)
class Reading:
    """A number that is read off one run of the model."""

    site: Site
    position: int
    read: Callable[[Float[Tensor, " width"]], Float[Tensor, ""]]
    """From the site's numbers at the position."""


def own_losses(frozen: FrozenModel, basis: Basis, readings: Sequence[Reading]) -> Float[Tensor, "feature reading"]:
    """What each reading loses with each feature of the basis, to first order."""
    losses = frozen.embed.new_zeros(len(basis.features), len(readings))
    for column, slopes in enumerate(_slopes(frozen, readings)):
        for layer, runs in enumerate(basis.written):
            slope = slopes.get(Site("mlp_out", layer))
            if slope is None:
                continue
            for run in runs:
                losses[run.first : run.first + len(run.vectors), column] += run.vectors @ slope[run.position]
    return losses


def reading_of(frozen: FrozenModel, target: Target) -> Reading:
    """A target in the model itself: a token's logit behind the real final norm; else its direction in the stream."""
    if not target.tokens:
        site = _stream_site(frozen, target.depth)
        return Reading(site, target.position, lambda stream: stream @ target.vector)
    scale, maps = logit_scale(frozen), frozen.maps
    token, *others = target.tokens
    minus = maps.unembedding[others[0]] if others else maps.mean_unembedding
    direction = (maps.unembedding[token] - minus) * scale
    norm = frozen.model.anatomy.final_norm
    assert norm is not None
    last = Site("resid_post", frozen.n_layers - 1)
    return Reading(last, target.position, lambda stream: norm(stream[None])[0].float() @ direction)


def _stream_site(frozen: FrozenModel, depth: int) -> Site:
    layer, is_mid = divmod(depth, 2)
    if is_mid:
        return Site("resid_pre" if frozen.blocks[layer].map.is_parallel else "resid_mid", layer)
    return Site("resid_pre", layer) if layer < frozen.n_layers else Site("resid_post", layer - 1)


def _slopes(frozen: FrozenModel, readings: Sequence[Reading]) -> list[dict[Site, Float[Tensor, "pos d_model"]]]:
    """Derivatives of each reading with respect to every mlp_out that it depends on."""
    model, n = frozen.model, frozen.n_positions
    added: dict[Site, Tensor] = {}
    with torch.enable_grad():
        read = _run(model, frozen.tokens[None], {reading.site for reading in readings}, added)
        sites = list(added)
        found = []
        for reading in readings:
            value = reading.read(read[reading.site][0, reading.position].float())
            slopes = torch.autograd.grad(value, [added[site] for site in sites], retain_graph=True, allow_unused=True)
            pairs = zip(sites, slopes, strict=True)
            found.append({site: slope.reshape(n, -1).float() for site, slope in pairs if slope is not None})
    return found


def _run(model: Model, ids: Tensor, captures: set[Site], added: dict[Site, Tensor]) -> dict[Site, Tensor]:
    """The sites' tensors with their history; zeros that derivatives are taken by are added to each mlp_out."""

    sites = [Site("mlp_out", layer) for layer in range(model.n_layers)]
    places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    running = Pass(
        anatomy=model.anatomy,
        captures=frozenset(captures),
        edits={site: [CompiledEdit(site, adding_leaves(added), None, "all")] for site in sites},
        keep=lambda _, value: value,
        moment=Moment(places, torch.full((1,), ids.shape[1], device=ids.device)),
    )
    with model.open(running), suppress(Stop):
        model.hf(input_ids=ids, use_cache=False)
    return running.read
