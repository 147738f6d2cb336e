"""Edits of their own for each row of a batch, so that texts with different edits are made in one forward pass."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from hooke.dictionaries import Dictionary
from hooke.models.apply import compile_edits
from hooke.models.edits import Edit
from hooke.models.generate import Sampling, chosen_tokens, compiled_logits, said_rows
from hooke.models.hooks import CompiledEdit, Moment
from hooke.models.model import Model, Tokens
from hooke.sites import Site


def compile_rows(
    model: Model, rows: Sequence[tuple[Edit, ...]], dictionaries: Iterable[Dictionary] = ()
) -> dict[Site, list[CompiledEdit]]:
    """The edits of each row by site; rows with equal edits are edited together.

    Raises:
        UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: see `compile_edits`.
    """
    dictionaries = list(dictionaries)
    groups: dict[tuple[Edit, ...], list[int]] = {}
    for place, edits in enumerate(rows):
        groups.setdefault(edits, []).append(place)
    compiled: dict[Site, list[CompiledEdit]] = {}
    for edits, places in groups.items():
        for site, group in (compile_edits(model, edits, dictionaries) if edits else {}).items():
            compiled.setdefault(site, []).extend(_on_rows(one, places) for one in group)
    return compiled


def greedy_rows(
    model: Model,
    tokens: Tokens,
    rows: Sequence[tuple[Edit, ...]],
    max_tokens: int,
    dictionaries: Iterable[Dictionary] = (),
) -> list[list[int]]:
    """How the model goes on with each prompt, which has edits of its own: each time the likeliest token, up to its end.

    Raises:
        UnknownSite, UnsupportedModel, UnknownName, ShapeMismatch: see `compile_edits`.
    """
    steps = compiled_logits(model, tokens, compile_rows(model, rows, dictionaries))
    return said_rows(chosen_tokens(model, tokens, steps, max_tokens, Sampling(), None), len(rows))


def _on_rows(edit: CompiledEdit, places: list[int]) -> CompiledEdit:
    return replace(edit, apply=partial(_applied, edit, torch.tensor(places)))


def _applied(edit: CompiledEdit, rows: Tensor, value: Tensor, _: CompiledEdit, moment: Moment) -> Tensor:
    chosen = rows.to(value.device)
    own = Moment(moment.position[chosen], moment.n_prompt[chosen])
    new = value.clone()
    new[chosen] = edit.apply(value[chosen], edit, own).to(value.dtype)
    return new
