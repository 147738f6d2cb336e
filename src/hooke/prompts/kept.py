"""Prompts that were taken apart, kept in the lab: `prompts/ID/`. Reading them needs no model.

meta.json              what was run, when, with what
texts.json             text of every token that the lens names
numbers.safetensors    see `hooke.prompts.inspect.inspect`
"""

import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from numpy import ndarray

from hooke.configs import from_dict, to_dict
from hooke.errors import BadArtefact, BadConfig, UnknownName
from hooke.features.store import map_tensors, save_tensors
from hooke.features.vocabulary import Vocabulary
from hooke.lab import Lab, read_json, staged, write_json
from hooke.prompts.fitted_lens import fit_command, require_kind
from hooke.prompts.inspect import Inspection, ReadWith, lens_array

_LENS = ("lens_ids", "lens_logprobs", "lens_rank", "lens_actual", "entropy")
_ROOM, _META, _TEXTS, _NUMBERS = "prompts", "meta.json", "texts.json", "numbers.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A chat message."""

    role: str
    """system, user or assistant."""
    content: str
    """What is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptMeta:
    """What is known of a kept prompt without its numbers."""

    id: str
    """Its id."""
    model: str
    """The model."""
    text: str
    """What the model read."""
    messages: tuple[Message, ...] | None
    """The messages that it came from."""
    created: str
    """When, in UTC."""
    token_ids: tuple[int, ...]
    """Its tokens."""
    tokens: tuple[str, ...]
    """Text of each token; joined they are the text."""
    special: tuple[int, ...]
    """Positions of tokens that are no text."""
    n_layers: int
    """Layers."""
    n_heads: int
    """Heads of a layer; 0 without patterns."""
    has_lens: bool
    """Whether there is a lens."""
    dictionaries: tuple[ReadWith, ...]
    """Dictionaries that it was read with."""
    notes: tuple[str, ...]
    """What is missing, and what the numbers do not say."""
    lenses: tuple[str, ...] = ("logit",)
    """Kinds of lens that it was read with, where there is one at all."""


@dataclass(frozen=True)
class KeptPrompt:
    """A kept prompt, its numbers memory-mapped."""

    folder: Path
    meta: PromptMeta

    @cached_property
    def arrays(self) -> dict[str, ndarray]:
        """The numbers, by name; see `hooke.prompts.inspect.inspect`.

        Raises:
            BadArtefact: their file is damaged.
        """
        kinds = self.meta.lenses if self.meta.has_lens else ()
        needed = ("norm", "direction", *(lens_array(kind, name) for kind in kinds for name in _LENS))
        return map_tensors(self.folder / _NUMBERS, *needed)

    def lens(self, kind: str = "logit") -> dict[str, ndarray]:
        """The arrays of a lens by their names without the kind; empty where the prompt has no lens at all.

        Raises:
            BadRequest: there is no lens of this kind.
            UnknownName: the prompt was not read with it.
            BadArtefact: their file is damaged.
        """
        require_kind(kind)
        if not self.meta.has_lens:
            return {}
        if kind not in self.meta.lenses:
            raise UnknownName(
                f"The prompt {self.meta.id} was not read with a {kind} lens.",
                "",
                f"Run it again when the lab has one; this fits it: {fit_command(self.meta.model, kind)}",
            )
        return {name: self.arrays[lens_array(kind, name)] for name in _LENS}

    @cached_property
    def texts(self) -> dict[int, str]:
        """Text of every token that the lens names.

        Raises:
            BadArtefact: their file is damaged.
        """
        found = read_json(self.folder / _TEXTS)
        if not isinstance(found, dict):
            raise BadArtefact(
                f"'{self.folder / _TEXTS}' could not be read.", "It is no table.", "Run the prompt again."
            )
        return {int(token): str(text) for token, text in found.items()}


def keep(
    lab: Lab,
    found: Inspection,
    vocabulary: Vocabulary,
    *,
    model: str,
    text: str,
    messages: tuple[Message, ...] | None = None,
) -> KeptPrompt:
    """Keep an inspection under a new id.

    Raises:
        OutOfSpace: the disk is full.
    """
    now = datetime.now(UTC)
    name = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    tokens = vocabulary.texts(found.token_ids)
    meta = PromptMeta(
        id=name,
        model=model,
        text=text,
        messages=messages,
        created=now.isoformat(timespec="seconds"),
        token_ids=found.token_ids,
        tokens=tokens,
        special=tuple(place for place, token in enumerate(found.token_ids) if token in vocabulary.special),
        n_layers=found.n_layers,
        n_heads=found.n_heads,
        has_lens=found.has_lens,
        dictionaries=found.dictionaries,
        notes=found.notes,
        lenses=found.lenses,
    )
    folder = lab.path(_ROOM, name)
    guesses = [found.arrays[lens_array(kind, "lens_ids")].reshape(-1) for kind in found.lenses]
    named = sorted({int(token) for ids in guesses for token in ids})
    with staged(folder) as aside:
        aside.mkdir()
        write_json(aside / _META, to_dict(meta))
        write_json(aside / _TEXTS, {str(token): vocabulary.text(token) for token in named})
        save_tensors(aside / _NUMBERS, found.arrays)
    return KeptPrompt(folder, meta)


def open_prompt(lab: Lab, name: str) -> KeptPrompt:
    """A kept prompt.

    Raises:
        UnknownName: there is none of this id.
        BadRequest: it is not of the form of an id.
        BadArtefact: it is damaged.
    """
    folder = lab.find(_ROOM, name)
    return KeptPrompt(folder, _read_meta(folder))


def kept_prompts(lab: Lab) -> list[str]:
    """Ids of kept prompts, latest first."""
    return lab.names(_ROOM)[::-1]


def read_metas(lab: Lab, names: Iterable[str]) -> list[PromptMeta]:
    """What is known of several; damaged ones, and those thrown away meanwhile, are left out."""
    found = []
    for name in names:
        try:
            found.append(open_prompt(lab, name).meta)
        except (BadArtefact, UnknownName):
            continue
    return found


def throw_away(lab: Lab, name: str) -> None:
    """Remove a kept prompt.

    Raises:
        UnknownName, BadRequest: see `open_prompt`.
    """
    shutil.rmtree(lab.find(_ROOM, name))


def _read_meta(folder: Path) -> PromptMeta:
    data = read_json(folder / _META)
    try:
        return from_dict(PromptMeta, data if isinstance(data, dict) else {})
    except BadConfig as error:
        raise BadArtefact(f"'{folder / _META}' is no kept prompt.", error.found, "Run the prompt again.") from error
