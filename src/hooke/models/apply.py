"""Edits bound to a model: from plain data to functions on the site's tensor."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.dictionaries.crosscoders import rows_at
from hooke.errors import BadConfig, ShapeMismatch, UnknownName
from hooke.models.edits import Ablate, Add, Cap, Clamp, Edit, Patch, Project, Scale, Splice, dictionaries_of
from hooke.models.hooks import CompiledEdit, CompiledGiven, Moment
from hooke.models.scope import Given
from hooke.sites import Site, parse_feature, parse_site

if TYPE_CHECKING:
    from hooke.models.model import Model


def compile_edits(
    model: "Model", edits: Sequence[Edit], dictionaries: Iterable[Dictionary] = ()
) -> dict[Site, list[CompiledEdit]]:
    """The edits by site, in the order given.

    Dictionaries that edits name are taken from `dictionaries`, else from the lab.

    Raises:
        UnknownSite, UnsupportedModel: an edit's site is not on this model.
        UnknownName: an edit's dictionary or feature is not there.
        ShapeMismatch: a vector, value or dictionary does not fit its site.
        BadConfig: a condition is read at a later site than its edit's.
    """
    known = {dictionary.name: dictionary for dictionary in dictionaries}
    for name in dictionaries_of(edits) - set(known):
        known[name] = load_dictionary(name, lab=model.lab, device=str(model.device))
    compiled: dict[Site, list[CompiledEdit]] = {}
    for edit in edits:
        one = _compile(model, edit, known)
        model.require(one.site)
        if edit.given is not None:
            one = replace(one, given=_condition(model, edit.given, one.site, known))
        compiled.setdefault(one.site, []).append(one)
    return compiled


def _compile(model: "Model", edit: Edit, known: dict[str, Dictionary]) -> CompiledEdit:
    match edit:
        case Add():
            site, step = parse_site(edit.site), _row(model, edit.site, edit.vector, known) * edit.scale
            return _bind(edit, site, lambda value, *_: value + _along(step, value))
        case Project():
            site, row = parse_site(edit.site), _row(model, edit.site, edit.direction, known)
            unit = row / row.norm().clamp_min(1e-12)
            return _bind(edit, site, lambda value, *_: _without(value, unit.to(value)))
        case Clamp():
            return _feature_edit(model, edit, edit.feature, known, lambda now: edit.value - now)
        case Cap():
            return _cap(model, edit, known)
        case Scale():
            return _feature_edit(model, edit, edit.feature, known, lambda now: (edit.factor - 1) * now)
        case Ablate():
            return _feature_edit(model, edit, edit.feature, known, lambda now: -now)
        case Patch():
            return _bind(edit, parse_site(edit.site), partial(_patched, edit))
        case Splice():
            dictionary = known[edit.dictionary]
            site = _only_site(model, dictionary)
            return _bind(edit, site, lambda value, *_: dictionary(value.flatten(2).float()).view_as(value))
    raise BadConfig(f"No way to apply a {type(edit).__name__}.", "", "Use one of the edits in hooke.models.edits.")


def _bind(edit: Edit, site: Site, apply) -> CompiledEdit:
    return CompiledEdit(site, apply, edit.positions, edit.when, schedule=edit.schedule)


def _along(row: Tensor, value: Tensor) -> Tensor:
    """A row in the shape of a token's value; one as wide as a head is the same for every head."""
    return row.to(value) if len(row) == value.shape[-1] else row.to(value).view(value.shape[2:])


def _without(value: Tensor, unit: Tensor) -> Tensor:
    """A value with what lies along a direction taken out, of each head by itself where it is as wide as one."""
    rows = value if len(unit) == value.shape[-1] else value.flatten(2)
    return (rows - (rows @ unit)[..., None] * unit).view_as(value)


def _row(model: "Model", site: str, vector: Tensor | str, known: dict[str, Dictionary]) -> Tensor:
    place = parse_site(site)
    if isinstance(vector, str):
        dictionary, index = _feature(vector, known)
        vector = rows_at(dictionary, torch.tensor([index], device=dictionary.device), place, model.name)[0]
    if vector.shape[-1] not in (model.width(place), model.row_width(place)):
        found = f"It has {vector.shape[-1]} entries, the site {model.row_width(place)}."
        raise ShapeMismatch(f"The vector does not fit '{site}'.", found, "")
    return vector.detach().to(model.device)


def _feature(text: str, known: dict[str, Dictionary]) -> tuple[Dictionary, int]:
    name = parse_feature(text)
    dictionary = known[name.dictionary or ""]
    if name.index >= dictionary.n_features:
        raise UnknownName(
            f"No feature '{text}'.",
            f"'{dictionary.name}' has features 0-{dictionary.n_features - 1}.",
            "Choose one of them.",
        )
    if name.site not in dictionary.reads:
        raise UnknownName(
            f"No feature '{text}'.",
            f"'{dictionary.name}' reads {', '.join(map(str, dictionary.reads))}.",
            "Use that site.",
        )
    return dictionary, name.index


def _only_site(model: "Model", dictionary: Dictionary) -> Site:
    if len(dictionary.reads) != 1 or dictionary.reads != dictionary.writes:
        raise BadConfig(
            f"Edits through '{dictionary.name}' are not possible.",
            f"It reads {', '.join(map(str, dictionary.reads))} and writes {', '.join(map(str, dictionary.writes))}.",
            "Only dictionaries that write where they read can be edited through.",
        )
    (site,) = dictionary.reads
    if dictionary.config.d_out != model.row_width(site):
        raise ShapeMismatch(
            f"'{dictionary.name}' does not fit '{site}' of {model.name}.",
            f"It has rows of {dictionary.config.d_out}, the site {model.row_width(site)}.",
            "It belongs to another model.",
        )
    return site


def _feature_edit(model: "Model", edit: Edit, text: str, known: dict[str, Dictionary], change) -> CompiledEdit:
    dictionary, index = _feature(text, known)
    site = _only_site(model, dictionary)
    row = dictionary.decoder_rows(torch.tensor([index], device=dictionary.device))[0].detach()

    def apply(value: Tensor, _: CompiledEdit, __: Moment) -> Tensor:
        now = dictionary.encode_feature(value.flatten(2).float().to(row.device), index)
        return value + (change(now)[..., None] * row).to(value).view_as(value)

    return _bind(edit, site, apply)


def _cap(model: "Model", edit: Cap, known: dict[str, Dictionary]) -> CompiledEdit:
    if edit.feature is None:
        assert edit.direction is not None
        site = parse_site(edit.site or "")
        row = _row(model, str(site), edit.direction, known)
        row = row / row.norm().clamp_min(1e-12)
        read = partial(torch.matmul, other=row)
    else:
        dictionary, index = _feature(edit.feature, known)
        site = _only_site(model, dictionary)
        row = dictionary.decoder_rows(torch.tensor([index], device=dictionary.device))[0].detach().to(model.device)
        read = partial(_activation, dictionary, index)
    written = row if edit.along is None else _row(model, str(site), edit.along, known)
    written = written * (row.norm() / written.norm().clamp_min(1e-12))

    def apply(value: Tensor, _: CompiledEdit, __: Moment) -> Tensor:
        rows = (value if len(row) == value.shape[-1] else value.flatten(2)).float()
        now = read(rows)
        change = edit.share * (now.clamp(edit.low, edit.high) - now)
        new = rows + change[..., None] * written
        # Inside the interval nothing is added, not even a zero that would turn -0 into 0.
        return torch.where(change[..., None] == 0, rows, new).to(value.dtype).view_as(value)

    return _bind(edit, site, apply)


def _activation(dictionary: Dictionary, index: int, rows: Tensor) -> Tensor:
    """A feature's activation on rows, where the rows are."""
    return dictionary.encode_feature(rows.to(dictionary.device), index).to(rows)


def _condition(model: "Model", given: Given, site: Site, known: dict[str, Dictionary]) -> CompiledGiven:
    """The condition of an edit at a site."""
    if given.read_at.depth > site.depth:
        raise BadConfig(
            f"An edit of '{site}' cannot wait for '{given.read_at}'.",
            "The condition is read later than that.",
            "Read it at the same site or an earlier one.",
        )
    model.require(given.read_at)
    if given.feature is not None:
        dictionary, index = _feature(given.feature, known)
        if len(dictionary.reads) != 1:
            raise BadConfig(
                f"'{given.feature}' cannot be a condition.", "Its dictionary reads several sites.", "Use another one."
            )
        read = partial(_activation, dictionary, index)
        return CompiledGiven(given.read_at, lambda value: read(value.flatten(2).float()) > given.above)
    assert given.direction is not None
    row, width = given.direction.to(model.device), model.row_width(given.read_at)
    if len(row) != width:
        raise ShapeMismatch(
            f"The condition's direction does not fit '{given.read_at}'.",
            f"It has {len(row)} entries, the site {width}.",
            "",
        )
    return CompiledGiven(given.read_at, lambda value: value.flatten(2).float() @ row > given.above)


def _patched(edit: Patch, value: Tensor, _: CompiledEdit, moment: Moment) -> Tensor:
    patch = edit.value.to(value)
    patch = patch[None] if patch.ndim == value.ndim - 1 else patch
    if patch.ndim != value.ndim or patch.shape[0] not in (1, len(value)) or patch.shape[2:] != value.shape[2:]:
        raise _misfit(edit, value)
    patch = patch.expand(len(value), *patch.shape[1:])
    if edit.positions is None:
        if patch.shape[1] != value.shape[1]:
            raise _misfit(edit, value)
        # Some architectures go on to change the very tensor in place; the edit's own must stay as it is.
        return patch.clone()
    assert not isinstance(edit.positions, str)
    if patch.shape[1] != len(edit.positions):
        raise _misfit(edit, value)
    new = value.clone()
    for column, place in enumerate(edit.positions):
        places = place + moment.n_prompt if place < 0 else torch.full_like(moment.n_prompt, place)
        row, pos = (moment.position == places[:, None]).nonzero(as_tuple=True)
        new[row, pos] = patch[row, column]
    return new


def _misfit(edit: Patch, value: Tensor) -> ShapeMismatch:
    return ShapeMismatch(
        f"The patch does not fit '{edit.site}'.",
        f"It has shape {list(edit.value.shape)}, the site {list(value.shape)}, positions {edit.positions}.",
        "Give [position, ...] or [batch, position, ...] with one row per position.",
    )
