"""Neurons that graphs name taken out of the model itself, on prompts that their circuit was not found on.

A neuron is taken out at every token of its part: set to 0 where it has the sign that graphs name it with, or set to
what it is on the pair's corrupted prompt. Beside it stand as many random neurons of the same layers and parts, drawn
on each prompt among those whose activations there are nearest.
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
_Neurons = dict[int, Float[Tensor, "pair pos neuron"]]
"""By layer."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A neuron that is taken out of a pair's prompt, at the tokens of a part."""

    row: int
    layer: int
    unit: int
    sign: int
    part: int


def lost(
    model: Model,
    pairs: Pairs,
    members: Sequence[Sequence[Member]],
    claim: str,
    *,
    corrupted: bool = False,
    seed: int = 0,
) -> Finding:
    """What is lost of the logit difference without some neurons of each prompt, beside matched random ones.

    Args:
        members: the neurons of each pair's prompt.
        corrupted: they are what they are on the corrupted prompt instead of 0.

    Raises:
        UnsupportedModel: the model's neurons are not found.
    """
    generator = np.random.default_rng(seed)
    read = _neurons(model, pairs.clean, sorted({one.layer for some in members for one in some}))
    own = [
        _Taken(row, one.layer, *_unit(one.index, read[one.layer].shape[-1]), PARTS.index(one.part))
        for row, some in enumerate(members)
        for one in some
    ]
    draws = _matched(own, read, parts(pairs), generator)
    other = _neurons(model, pairs.corrupted, list(read)) if corrupted else None
    clean, wholes = _judged(model, pairs, pairs.clean), _judged(model, pairs, pairs.corrupted)
    changes = [clean - _judged(model, pairs, pairs.clean, some, other) for some in (own, *draws)]
    value = estimate_ratio(changes[0], clean - wholes, generator=generator)
    control = estimate_ratio(np.mean(changes[1:], axis=0), clean - wholes, generator=generator)
    return Finding(
        claim=f"{claim}, {'as on the corrupted prompt' if corrupted else 'set to 0'}",
        value=value.value,
        interval=value.interval,
        n=len(pairs),
        control=control.value,
        control_interval=control.interval,
        control_name=f"as many random neurons of these layers and parts with like activations, mean of {N_DRAWS} draws",
        method="in the model itself, nothing frozen; share of the logit difference's way, ratio of means",
        seed=seed,
    )


def _unit(index: int, width: int) -> tuple[int, int]:
    """A neuron and the sign that a feature's number means."""
    return index % width, 1 if index < width else -1


def _matched(
    own: Sequence[_Taken], read: _Neurons, where: Int[Tensor, "pair pos"], generator: np.random.Generator
) -> list[list[_Taken]]:
    """Draws of as many neurons, none of them among the own ones and none twice in a draw."""
    taken = {(one.row, one.layer, one.part, one.unit) for one in own}
    means: dict[tuple[int, int, int], Tensor] = {}
    near: list[list[int]] = []
    for one in own:
        place = (one.row, one.layer, one.part)
        if place not in means:
            means[place] = read[one.layer][one.row, where[one.row] == one.part].mean(0)
        here = means[place].abs()
        near.append([unit for unit in (here - here[one.unit]).abs().argsort().tolist() if (*place, unit) not in taken])
    draws = []
    for _ in range(N_DRAWS):
        drawn: dict[tuple[int, int, int, int], _Taken] = {}
        for one, units in zip(own, near, strict=True):
            place = (one.row, one.layer, one.part)
            free = [unit for unit in units if (*place, unit) not in drawn][:_NEAREST]
            if free:
                unit = free[int(generator.integers(len(free)))]
                sign = 1 if means[place][unit] >= 0 else -1
                drawn[*place, unit] = _Taken(one.row, one.layer, unit, sign, one.part)
        draws.append(list(drawn.values()))
    return draws


def _neurons(model: Model, tokens: Tokens, layers: Sequence[int]) -> _Neurons:
    read: dict[int, list[Tensor]] = defaultdict(list)
    for start in range(0, len(tokens.ids), _ROWS):
        some = Tokens(tokens.ids[start : start + _ROWS], tokens.mask[start : start + _ROWS])
        run = model.run(some, capture=[Site("neurons", layer) for layer in layers], logits=False)
        for layer in layers:
            read[layer].append(run[Site("neurons", layer)])
    return {layer: torch.cat(values) for layer, values in read.items()}


def _judged(
    model: Model, pairs: Pairs, tokens: Tokens, taken: Sequence[_Taken] = (), other: _Neurons | None = None
) -> Float[ndarray, " pair"]:
    """The metric of each pair on its prompt, with neurons taken out."""
    found, where = [], parts(pairs)
    by_layer: dict[int, list[_Taken]] = defaultdict(list)
    for one in taken:
        by_layer[one.layer].append(one)
    last = Site("resid_post", model.n_layers - 1)
    for start in range(0, len(pairs), _ROWS):
        rows = slice(start, start + _ROWS)
        some, ids, mask = pairs.some(rows), tokens.ids[rows], tokens.mask[rows]
        edits = {
            Site("neurons", layer): [_taking(layer, here, where, start, None if other is None else other[layer])]
            for layer, here in by_layer.items()
        }
        places = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
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
    layer: int,
    taken: Sequence[_Taken],
    where: Int[Tensor, "pair pos"],
    start: int,
    other: Float[Tensor, "pair pos neuron"] | None,
) -> CompiledEdit:
    """The edit of a layer in the run of the prompts from `start` on."""
    places = [
        (one.row, position, one.unit, one.sign)
        for one in taken
        if start <= one.row < start + _ROWS
        for position in (where[one.row] == one.part).nonzero()[:, 0].tolist()
    ]
    rows, positions, units, signs = (
        torch.tensor([place[at] for place in places], dtype=torch.int64, device=where.device) for at in range(4)
    )

    def change(value: Tensor) -> Tensor:
        edited = value.clone()
        here = edited[rows - start, positions, units]
        new = here.masked_fill(here * signs > 0, 0.0) if other is None else other[rows, positions, units].to(here)
        edited[rows - start, positions, units] = new
        return edited

    return CompiledEdit(Site("neurons", layer), lambda value, _, __: change(value), None, "all")
