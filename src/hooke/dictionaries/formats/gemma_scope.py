"""Gemma Scope's transcoders: one archive or safetensors file per layer, in folders that name layer, width and L0.

The first suite (params.npz) reads the stream normalised without the norm's gain, which is folded into the encoder; the
second (params.safetensors) reads what the MLP reads. Both write what the MLP adds to the stream, after the post-norm.
Both clamp at zero, compare with the threshold strictly, and have encoders as ours, [d, feature], and the skip x · A.
"""

import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder, layer_shapes
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.formats.folding import Norms, fold_norm, require_norms
from hooke.dictionaries.formats.weights_file import map_weights, read_weights
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadArtefact, BadRequest
from hooke.tensor_files import read_header

_ARCHIVE, _SAFE = "params.npz", "params.safetensors"
_NAMES = {
    "w_enc": "W_enc",
    "b_enc": "b_enc",
    "w_dec": "W_dec",
    "b_dec": "b_dec",
    "threshold": "threshold",
    "affine_skip_connection": "W_skip",
}
_CROSSLAYER = re.compile(r"params_layer_([0-9]{1,4})\.safetensors")
_LAYER = re.compile(r"layer_([0-9]{1,4})(?:_.*)?")
# An archive that unpacks to more than this many times its size is not one of weights.
_MOST_EXPANSION = 20


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
        if path.name == _ARCHIVE:
            require_norms(norms, path)
    configs = {layer: _config(name, model, layer, path) for layer, path in files.items()}

    def load(layer: int) -> Dictionary:
        weights = _weights(files[layer])
        if files[layer].name == _ARCHIVE and norms is not None:
            weights = fold_norm(weights, norms(layer), files[layer])
        return Dictionary(configs[layer], **weights).to(device=device, dtype=dtype)

    return TranscoderSet(name, model, configs, load)


def is_gemma_scope_crosslayer(folder: Path) -> bool:
    """Whether a folder is a cross-layer transcoder of the second suite."""
    return (folder / "params_layer_0.safetensors").is_file()


def open_gemma_scope_crosslayer(
    folder: Path, *, model: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> CrossLayerTranscoder:
    """The cross-layer transcoder in a folder. Decoders have a place for every layer; what is before their own is junk.

    Raises:
        BadArtefact: a layer's file is missing, damaged or of another shape.
    """
    matches = [match for path in folder.iterdir() if (match := _CROSSLAYER.fullmatch(path.name))]
    files = {int(match[1]): folder / match[0] for match in matches}
    shapes = _shapes(files[0]) if 0 in files else {}
    encoder = shapes.get("W_enc", ())
    if sorted(files) != list(range(len(files))) or len(encoder) != 2 or "b_dec" not in shapes:
        raise _bad(folder, f"It has layers {sorted(files)[:12]}, and in the first {shapes}.")
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
        named = {name: _NAMES.get(name.lower(), name) for name in read_header(files[layer])}
        decoder = [name for name, own in named.items() if own == "W_dec"]
        expected = {name: whole.get(own, ()) for name, own in named.items()}
        found = {named[name]: one for name, one in map_weights(files[layer], expected, unchecked=decoder).items()}
        return found | {"W_dec": found["W_dec"][:, layer:]}

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def _candidates(folder: Path) -> dict[int, list[Path]]:
    found: dict[int, list[Path]] = {}
    for part in sorted(folder.glob("layer_*")):
        match = _LAYER.fullmatch(part.name)
        files = [path for name in (_ARCHIVE, _SAFE) for path in sorted(part.rglob(name))] if part.is_dir() else []
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
    shapes = _shapes(path)
    encoder, decoder = shapes.get("W_enc", ()), shapes.get("W_dec", ())
    unknown = set(shapes) - {*_NAMES.values(), "scaling_factor"}
    if len(encoder) != 2 or len(decoder) != 2 or "threshold" not in shapes or unknown:
        raise _bad(path, f"It has {shapes}.")
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
        folded=("norm_gain",) if path.name == _ARCHIVE else (),
    )


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    if path.suffix == ".safetensors":
        return {_NAMES.get(name.lower(), name): shape for name, (_, shape) in read_header(path).items()}
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > _MOST_EXPANSION * path.stat().st_size:
                raise _bad(path, f"It would unpack to {unpacked:,} bytes.")
            return {_own_name(name): _npy_shape(archive, name) for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _bad(path, f"{error}.") from error


def _own_name(member: str) -> str:
    stem = member.removesuffix(".npy")
    return _NAMES.get(stem.lower(), stem)


def _npy_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as member:
        version = npy.read_magic(member)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        return tuple(read(member)[0])


def _weights(path: Path) -> dict[str, Tensor]:
    if path.name == _SAFE:
        found = read_weights(path, {name: shape for name, (_, shape) in read_header(path).items()})
        return {_NAMES[name.lower()]: one.float() for name, one in found.items()}
    _shapes(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {_own_name(name): archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _bad(path, f"{error}.") from error
    scaling = arrays.pop("scaling_factor", None)
    if scaling is not None and not np.allclose(scaling, 1):
        raise _bad(path, "It has a scaling factor that is not one.")
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise _bad(path, f"'{name}' holds values that are not finite numbers.")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as a transcoder.", found, "Fetch a fresh copy.")
