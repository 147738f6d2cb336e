"""Lenses that were fitted to a model, kept in the lab: `lenses/NAME/`.

manifest.json          what it is of, how it was fitted, how well it does on held-out text beside its controls
weights.safetensors    weights [layer, d_model, d_model] and biases [layer, d_model]: row times matrix plus bias

A fitted lens translates the stream that leaves a layer into what the final norm and the unembedding were made for; what
reads the translation is the logit lens (`hooke.prompts.lens`). The last layer's translation changes nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.configs import from_dict, to_dict
from hooke.errors import BadArtefact, BadConfig, BadRequest, ShapeMismatch, UnknownName, did_you_mean
from hooke.lab import Lab, provenance, read_json, staged, write_json
from hooke.models.model import Model
from hooke.prompts.affine_maps import AffineMaps
from hooke.prompts.lens import LENS_LIMITS
from hooke.prompts.lens_scores import LensScores
from hooke.tensor_files import read_header

KINDS = {"logit": "Logit lens", "tuned": "Tuned lens", "jacobian": "Jacobian lens"}
"""Names of the lenses, by kind. The first is fitted to nothing."""

LIMITS = {
    "logit": LENS_LIMITS,
    "tuned": "A tuned lens was fitted to foretell what the model says: it shows what an affine map can read off a "
    "layer, which the model itself need not read.",
    "jacobian": "A Jacobian lens is a mean over contexts of what the stream leads the model to say, here or later: it "
    "is not made to foretell the next token.",
}
"""What the numbers of a lens do not say, by kind."""

_ROOM, _MANIFEST, _WEIGHTS, _PROVENANCE = "lenses", "manifest.json", "weights.safetensors", "provenance.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class LensManifest:
    """What is known of a fitted lens without its numbers."""

    name: str
    """Its name."""
    kind: str
    """tuned or jacobian."""
    model: str
    """The model."""
    fingerprint: str
    """Identifies the model's weights; empty where they came from no files."""
    n_layers: int
    """Layers of the model."""
    d_model: int
    """Width of its stream."""
    corpus: str
    """The text that it was fitted on."""
    corpus_fingerprint: str
    """Hash of that text's corpus."""
    n_tokens: int
    """Tokens that it was fitted on."""
    method: str
    """How it was fitted, in a sentence."""
    settings: dict[str, Any]
    """How much text and how many steps."""
    scores: LensScores | None = None
    """Agreement with the last layer on held-out text; None where it was not measured."""


@dataclass(frozen=True)
class FittedLens:
    """A lens that was fitted."""

    manifest: LensManifest
    maps: AffineMaps
    """What makes of a layer's stream what the final norm is given."""


def require_kind(kind: str) -> None:
    """Raises:
    BadRequest: there is no lens of this kind.
    """
    if kind not in KINDS:
        raise BadRequest(f"There is no '{kind}' lens.", did_you_mean(kind, KINDS), f"Kinds: {', '.join(KINDS)}.")


def lens_name(model: str, kind: str) -> str:
    """The name that the lab keeps a model's lens under unless another is given."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{model[:80].strip('.-')}-{kind}")


def save_lens(lab: Lab, lens: FittedLens, *, seed: int | None = None) -> Path:
    """Keep a lens in the lab, in the place of an older one of its name.

    Raises:
        BadRequest: its name is no plain name.
        OutOfSpace: the disk is full.
    """
    folder = lab.path(_ROOM, lens.manifest.name)
    inputs = {"model": lens.manifest.fingerprint, "corpus": lens.manifest.corpus_fingerprint}
    with staged(folder) as aside:
        aside.mkdir()
        save_file(
            {"weights": lens.maps.weights.contiguous(), "biases": lens.maps.biases.contiguous()}, aside / _WEIGHTS
        )
        write_json(aside / _MANIFEST, to_dict(lens.manifest))
        write_json(aside / _PROVENANCE, provenance(seed=seed, inputs=inputs))
    return folder


def lens_kinds(lab: Lab, model: str) -> tuple[str, ...]:
    """Kinds of lens that can be had of a model: the logit lens, and those that the lab has under their usual name."""
    names = lab.names(_ROOM)
    return tuple(kind for kind in KINDS if kind == "logit" or lens_name(model, kind) in names)


def open_lens(lab: Lab, model: Model, kind: str, name: str | None = None) -> FittedLens:
    """The lens of this kind that the lab has of a model, by default under its usual name.

    Raises:
        UnknownName: there is none; the message names the command that fits one.
        ShapeMismatch: it is of another model.
        BadRequest: it is of another kind.
        BadArtefact: a file is cut short, lacks something or holds what is no number.
    """
    name = name or lens_name(model.name, kind)
    if name not in lab.names(_ROOM):
        raise UnknownName(
            f"The lab has no {kind} lens '{name}'.",
            did_you_mean(name, lab.names(_ROOM)),
            f"Fit it: {fit_command(model.name, kind)}",
        )
    folder = lab.path(_ROOM, name)
    manifest = _read_manifest(folder)
    if manifest.kind != kind:
        raise BadRequest(f"'{name}' is no {kind} lens.", f"It is a {manifest.kind} lens.", "Ask for that kind.")
    _require_fit(manifest, model)
    return _read_weights(folder / _WEIGHTS, manifest, model)


def open_lenses(lab: Lab, model: Model) -> tuple[list[FittedLens], list[str]]:
    """The fitted lenses that the lab has of a model under their usual names, and why others of these cannot be read."""
    found, refused = [], []
    for kind in lens_kinds(lab, model.name)[1:]:
        try:
            found.append(open_lens(lab, model, kind))
        except (ShapeMismatch, BadRequest, BadArtefact) as error:
            refused.append(f"No {kind} lens: {error}")
    return found, refused


def fit_command(model: str, kind: str) -> str:
    """The command that fits a lens to a model."""
    return f"hooke fit-lens {model} --kind {kind}"


def _read_manifest(folder: Path) -> LensManifest:
    data = read_json(folder / _MANIFEST)
    try:
        return from_dict(LensManifest, data if isinstance(data, dict) else {})
    except BadConfig as error:
        raise _bad(folder / _MANIFEST, error.found) from error


def _require_fit(manifest: LensManifest, model: Model) -> None:
    own, theirs = (manifest.n_layers, manifest.d_model), (model.n_layers, model.d_model)
    if own != theirs:
        raise ShapeMismatch(
            f"The lens '{manifest.name}' does not fit {model.name}.",
            f"It has {own[0]} layers of width {own[1]}, the model {theirs[0]} of width {theirs[1]}.",
            f"Fit one to this model: {fit_command(model.name, manifest.kind)}",
        )
    if manifest.fingerprint and model.fingerprint and manifest.fingerprint != model.fingerprint:
        raise ShapeMismatch(
            f"The lens '{manifest.name}' does not belong to {model.name}.",
            f"It was fitted to {manifest.model} with other weights.",
            f"Fit one to this model: {fit_command(model.name, manifest.kind)}",
        )


def _read_weights(path: Path, manifest: LensManifest, model: Model) -> FittedLens:
    n, d = manifest.n_layers, manifest.d_model
    expected = {"weights": ("F32", (n, d, d)), "biases": ("F32", (n, d))}
    header = read_header(path)
    for name, (dtype, shape) in expected.items():
        if header.get(name) != (dtype, shape):
            raise _bad(path, f"it has no '{name}' of {dtype} {list(shape)}")
    tensors = load_file(path, device=str(model.device))
    if not all(bool(tensors[name].isfinite().all()) for name in expected):
        raise _bad(path, "some of its values are no finite numbers")
    return FittedLens(manifest, AffineMaps(tensors["weights"], tensors["biases"]))


def _bad(path: Path, why: str) -> BadArtefact:
    return BadArtefact(f"'{path}' is no sound part of a lens:", f"{why.rstrip('.')}.", "Fit the lens again.")


def translated(
    lens: FittedLens | None, streams: Sequence[Float[Tensor, "pos d_model"]], layers: Sequence[int]
) -> list[Float[Tensor, "pos d_model"]]:
    """Streams that leave some layers, through a fitted lens; as they are without one."""
    if lens is None:
        return list(streams)
    with torch.no_grad():
        return [lens.maps(stream, layer) for stream, layer in zip(streams, layers, strict=True)]
