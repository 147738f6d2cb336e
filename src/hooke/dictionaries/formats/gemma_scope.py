"""Gemma Scope's transcoders: one archive or safetensors file per layer, in folders that name layer, width and L0.

The first suite (params.npz) reads the stream normalised without the norm's gain, which is folded into the encoder; the
second (params.safetensors) reads what the MLP reads. Both write what the MLP adds to the stream, after the post-norm.
Both clamp at zero, compare with the threshold strictly, and have encoders as ours, [d, feature], and the skip x · A.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder, layer_shapes
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.formats.folding import Norms, fold_norm, require_norms
from hooke.dictionaries.formats.gemma_scope_files import (
    ARCHIVE,
    NAMES,
    SAFE,
    bad,
    read_params,
    read_shapes,
    require_tensors,
)
from hooke.dictionaries.formats.gemma_scope_place import place_of
from hooke.dictionaries.formats.weights_file import map_weights
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadRequest
from hooke.tensor_files import read_header

_CROSSLAYER = re.compile(r"params_layer_([0-9]{1,4})\.safetensors")
_LAYER = re.compile(r"layer_([0-9]{1,4})(?:_.*)?")


def is_gemma_scope(folder: Path) -> bool:
    """Whether a folder holds layers of one of the suites."""
    return folder.is_dir() and bool(_candidates(folder))


def open_gemma_scope(
    folder: Path,
    *,
    model: str,
    norms: Norms | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> TranscoderSet:
    """The transcoders of all layers in a folder that has one for each; weights are read when they are asked for.

    Args:
        model: name of the model that they belong to; the files do not say it.
        norms: the norm before each layer's MLP, for the first suite.

    Raises:
        BadArtefact: a file is damaged, or is no transcoder.
        BadRequest: a layer has several variants, or the norms are needed and not given.
    """
    files = _one_each(folder, _candidates(folder))
    return open_files(files, folder.resolve().name, model=model, norms=norms, device=device, dtype=dtype)


def open_files(
    files: dict[int, Path],
    name: str,
    *,
    model: str,
    norms: Norms | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> TranscoderSet:
    """The transcoders in these files, by layer; see `open_gemma_scope`."""
    for path in files.values():
        if path.name == ARCHIVE:
            require_norms(norms, path)
    configs = {layer: _config(name, model, layer, path) for layer, path in files.items()}

    def load(layer: int) -> Dictionary:
        weights = read_params(files[layer])
        if files[layer].name == ARCHIVE and norms is not None:
            weights = fold_norm(weights, norms(layer), files[layer])
        return Dictionary(configs[layer], **weights).to(device=device, dtype=dtype)

    return TranscoderSet(name, model, configs, load)


def is_gemma_scope_crosslayer(folder: Path) -> bool:
    """Whether a folder is a cross-layer transcoder of the second suite."""
    return (folder / "params_layer_0.safetensors").is_file() and place_of(folder).form != "crosscoder"


def open_gemma_scope_crosslayer(
    folder: Path, *, model: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> CrossLayerTranscoder:
    """The cross-layer transcoder in a folder. Decoders have a place for every layer; what is before their own is junk.

    Raises:
        BadArtefact: a layer's file is missing, damaged or of another shape.
    """
    matches = [match for path in folder.iterdir() if (match := _CROSSLAYER.fullmatch(path.name))]
    files = {int(match[1]): folder / match[0] for match in matches}
    shapes = read_shapes(files[0]) if 0 in files else {}
    encoder = shapes.get("W_enc", ())
    if sorted(files) != list(range(len(files))) or len(encoder) != 2 or "b_dec" not in shapes:
        raise bad(folder, f"It has layers {sorted(files)[:12]}, and in the first {shapes}.")
    config = CrossLayerConfig(
        name=folder.resolve().name,
        model=model,
        kind="jumprelu",
        layers=tuple(sorted(files)),
        reads="mlp_in",
        n_features=encoder[1],
        d_in=encoder[0],
        d_out=shapes["b_dec"][0],
        skip="W_skip" in shapes,
    )
    whole = layer_shapes(config, 0)

    def load(layer: int) -> dict[str, Tensor]:
        named = {name: NAMES.get(name.lower(), name) for name in read_header(files[layer])}
        decoder = [name for name, own in named.items() if own == "W_dec"]
        expected = {name: whole.get(own, ()) for name, own in named.items()}
        found = {named[name]: one for name, one in map_weights(files[layer], expected, unchecked=decoder).items()}
        return found | {"W_dec": found["W_dec"][:, layer:]}

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def _candidates(folder: Path) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for part in sorted(folder.glob("layer_*")):
        match = _LAYER.fullmatch(part.name)
        files = [path for name in (ARCHIVE, SAFE) for path in sorted(part.rglob(name))] if part.is_dir() else []
        if match and files:
            found.setdefault(int(match.group(1)), []).extend(files)
    return found


def _one_each(folder: Path, candidates: dict[int, list[Path]]) -> dict[int, Path]:
    several = {layer: paths for layer, paths in candidates.items() if len(paths) > 1}
    if several:
        layer, paths = next(iter(several.items()))
        told = ", ".join(str(path.parent.relative_to(folder)) for path in paths[:6])
        raise BadRequest(
            f"'{folder}' has several transcoders for {len(several)} layers.",
            f"Layer {layer}: {told}.",
            "Leave one for each layer, or write a config.yaml that lists the files of your choice under 'transcoders'.",
        )
    return {layer: paths[0] for layer, paths in sorted(candidates.items())}


def _config(name: str, model: str, layer: int, path: Path) -> DictionaryConfig:
    shapes = require_tensors(path)
    encoder, decoder = shapes["W_enc"], shapes["W_dec"]
    place = place_of(path)
    if place.form not in (None, "transcoder"):
        raise bad(path, f"It reads {' '.join(place.reads)} and writes {' '.join(place.writes)}: it is no transcoder.")
    return DictionaryConfig(
        name=f"{name}.{layer}",
        model=model,
        kind="jumprelu",
        reads=(f"mlp_in.{layer}",),
        writes=(f"mlp_out.{layer}",),
        n_features=encoder[1],
        d_in=encoder[0],
        d_out=decoder[1],
        skip="W_skip" in shapes,
        folded=("norm_gain",) if path.name == ARCHIVE else (),
        claims=place.claims,
    )
