"""The neurons of a circuit taken out of the model itself, on prompts that they were not found on.

A neuron is taken out at every token of its part: set to 0 where it has the sign that the circuit has it with, or set to
what it is on the pair's corrupted prompt. Beside it stand as many random neurons of the same layers and parts, drawn
among those whose mean activation there is nearest.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from hooke.circuits.pairs import Pairs
from hooke.circuits.places import PARTS, parts
from hooke.findings import Finding, estimate_ratio
from hooke.models.hooks import CompiledEdit, Moment, Pass, Stop
from hooke.models.model import Model, Tokens
from hooke.sites import Site
from hooke.studies.graph_circuit import Member

N_DRAWS = 5
_NEAREST = 20
"""Controls are drawn among so many neurons of the layer, whose activations at the part are nearest."""
_ROWS = 24
"""Prompts that run together."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A neuron that is taken out at a part of the prompt."""

    layer: int
    unit: int
    sign: int
    part: str


def lost(
    model: Model, pairs: Pairs, members: Sequence[Member], about: str, *, corrupted: bool = False, seed: int = 0
) -> Finding:
    """What is lost of the logit difference without a circuit's neurons, beside matched random ones.

    Args:
        corrupted: neurons are what they are on the corrupted prompt instead of 0.

    Raises:
        UnsupportedModel: the model's neurons are not found.
    """
    generator = np.random.default_rng(seed)
    read = _neurons(model, pairs.clean, sorted({one.layer for one in members}))
    widths = {layer: values.shape[-1] for layer, values in read.items()}
    own = [
        _Taken(one.layer, one.index % widths[one.layer], 1 if one.index < widths[one.layer] else -1, one.part)
        for one in members
    ]
    where = parts(pairs)
    draws = _matched(own, read, where, generator)
    other = _neurons(model, pairs.corrupted, list(read)) if corrupted else None
    clean, wholes = _judged(model, pairs, pairs.clean), _judged(model, pairs, pairs.corrupted)
    changes = [clean - _judged(model, pairs, pairs.clean, some, other) for some in (own, *draws)]
    value = estimate_ratio(changes[0], clean - wholes, generator=generator)
    control = estimate_ratio(np.mean(changes[1:], axis=0), clean - wholes, generator=generator)
    how = "set to what they are on the corrupted prompt" if corrupted else "set to 0"
    return Finding(
        claim=f"Lost without the {len(own)} neurons of the graphs' circuit, {how}{about and ', '}{about}",
        value=value.value,
        interval=value.interval,
        n=len(pairs),
        control=control.value,
        control_interval=control.interval,
        control_name=f"as many random neurons of these layers and parts with like activations, mean of {N_DRAWS} draws",
        method="in the model itself, nothing frozen; share of the logit difference's way, ratio of means",
        seed=seed,
    )


def _matched(
    own: Sequence[_Taken],
    read: dict[int, Float[Tensor, "pair pos neuron"]],
    where: Int[Tensor, "pair pos"],
    generator: np.random.Generator,
) -> list[list[_Taken]]:
    """Draws of as many neurons, none of them the circuit's own and none twice in a draw."""
    there = {(one.layer, one.part): read[one.layer][where == PARTS.index(one.part)] for one in own}
    sizes = {key: values.abs().mean(0) for key, values in there.items()}
    taken = {(one.layer, one.part, one.unit) for one in own}
    draws = []
    for _ in range(N_DRAWS):
        drawn: dict[tuple[int, str, int], _Taken] = {}
        for one in own:
            here = sizes[one.layer, one.part]
            order = (here - here[one.unit]).abs().argsort().tolist()
            free = [(one.layer, one.part, unit) for unit in order]
            near = [key for key in free if key not in taken and key not in drawn][:_NEAREST]
            if near:
                key = near[int(generator.integers(len(near)))]
                is_up = bool(there[one.layer, one.part][:, key[2]].mean() >= 0)
                drawn[key] = _Taken(one.layer, key[2], 1 if is_up else -1, one.part)
        draws.append(list(drawn.values()))
    return draws


def _neurons(model: Model, tokens: Tokens, layers: Sequence[int]) -> dict[int, Float[Tensor, "pair pos neuron"]]:
    read: dict[int, list[Tensor]] = defaultdict(list)
    for start in range(0, len(tokens.ids), _ROWS):
        some = Tokens(tokens.ids[start : start + _ROWS], tokens.mask[start : start + _ROWS])
        run = model.run(some, capture=[Site("neurons", layer) for layer in layers], logits=False)
        for layer in layers:
            read[layer].append(run[Site("neurons", layer)])
    return {layer: torch.cat(values) for layer, values in read.items()}


def _judged(
    model: Model,
    pairs: Pairs,
    tokens: Tokens,
    taken: Sequence[_Taken] = (),
    other: dict[int, Float[Tensor, "pair pos neuron"]] | None = None,
) -> Float[ndarray, " pair"]:
    """The metric of each pair on its prompt, with neurons taken out."""
    found = []
    where = parts(pairs)
    for start in range(0, len(pairs), _ROWS):
        rows = slice(start, start + _ROWS)
        some, ids, mask = pairs.some(rows), tokens.ids[rows], tokens.mask[rows]
        by_layer: dict[int, list[_Taken]] = defaultdict(list)
        for one in taken:
            by_layer[one.layer].append(one)
        edits = {
            Site("neurons", layer): [_taking(layer, here, where[rows], None if other is None else other[layer][rows])]
            for layer, here in by_layer.items()
        }
        places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        last = Site("resid_post", model.n_layers - 1)
        running = Pass(
            anatomy=model.anatomy,
            captures=frozenset({last}),
            edits=edits,
            keep=lambda _, value: value.clone(),
            stop_at=last,
            moment=Moment(torch.where(mask, places, -1), mask.sum(-1)),
        )
        with model.open(running), torch.no_grad(), suppress(Stop):
            model.hf(input_ids=ids, attention_mask=None if bool(mask.all()) else mask.long(), use_cache=False)
        with torch.no_grad():
            ends = running.read[last][torch.arange(len(some)), some.clean.lengths - 1]
            found.append(some.judge(model.unembed(ends)).double().cpu())
    return torch.cat(found).numpy()


def _taking(
    layer: int, taken: Sequence[_Taken], where: Tensor, other: Float[Tensor, "pair pos neuron"] | None
) -> CompiledEdit:
    def change(value: Tensor) -> Tensor:
        edited = value.clone()
        for one in taken:
            here, goes = edited[:, :, one.unit], where == PARTS.index(one.part)
            if other is None:
                edited[:, :, one.unit] = here.masked_fill(goes & (here * one.sign > 0), 0.0)
            else:
                edited[:, :, one.unit] = torch.where(goes, other[:, :, one.unit].to(here), here)
        return edited

    return CompiledEdit(Site("neurons", layer), lambda value, _, __: change(value), None, "all")
