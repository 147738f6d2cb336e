"""Sets of transcoders and cross-layer transcoders as folders of hooke's own.

set.json          what the set is; layer-0/, layer-1/, ... are dictionaries in the native format
crosslayer.json   what the cross-layer transcoder is; layer-0.safetensors, ... hold W_enc, b_enc, W_dec, b_dec, ...
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.configs import from_dict, to_dict
from hooke.dictionaries.crosslayer import CrossLayerConfig, CrossLayerTranscoder, layer_shapes
from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.native import Storage, load_native, read_config, save_dictionary
from hooke.dictionaries.formats.weights_file import map_weights
from hooke.dictionaries.replacement import Replacement
from hooke.dictionaries.sets import TranscoderSet
from hooke.errors import BadArtefact, BadRequest
from hooke.lab import read_json, require_space, staged, write_json

SET, CROSSLAYER = "set.json", "crosslayer.json"
_SET_FORMAT, _CROSSLAYER_FORMAT, _VERSION = "hooke-transcoder-set", "hooke-crosslayer", 1
_DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "float16": torch.float16}


def is_set(folder: Path) -> bool:
    """Whether a folder is a set of transcoders."""
    return (folder / SET).is_file()


def is_crosslayer(folder: Path) -> bool:
    """Whether a folder is a cross-layer transcoder."""
    return (folder / CROSSLAYER).is_file()


def layer_folder(folder: Path, layer: int) -> Path:
    """Where a set keeps the transcoder of a layer."""
    return folder / f"layer-{layer}"


def save_set(
    transcoders: TranscoderSet,
    folder: Path,
    *,
    storage: Storage = "float32",
    metrics: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a set as a folder that appears complete or not at all; an older one at its place is replaced.

    Raises:
        BadRequest: float16 cannot hold the weights.
        OutOfSpace: the disk cannot hold them.
    """
    described = {"format": _SET_FORMAT, "version": _VERSION, "name": transcoders.name, "model": transcoders.model}
    with staged(folder) as aside:
        aside.mkdir()
        for layer in transcoders.layers:
            save_dictionary(transcoders.transcoder(layer), layer_folder(aside, layer), storage=storage)
        write_json(aside / SET, described | {"layers": list(transcoders.layers)})
        _write_records(aside, metrics, provenance)


def open_set(folder: Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> TranscoderSet:
    """The set in a folder; what its transcoders are is read now, their weights when they are asked for.

    Raises:
        BadArtefact: a layer is missing, damaged, or not a transcoder of that layer and model.
    """
    match read_json(folder / SET):
        case {"format": str(kind), "version": int(version), "name": str(name), "model": str(model), "layers": layers}:
            pass
        case _:
            raise _bad(folder / SET, "It does not describe a set of transcoders.")
    if kind != _SET_FORMAT or version != _VERSION:
        raise _bad(folder / SET, f"It is '{kind}' version {version}; this hooke reads '{_SET_FORMAT}' {_VERSION}.")
    if not isinstance(layers, list) or not layers or not all(type(one) is int and one >= 0 for one in layers):
        raise _bad(folder / SET, f"Its layers are {layers!r:.80}.")
    configs = {layer: read_config(layer_folder(folder, layer))[0] for layer in layers}

    def load(layer: int) -> Dictionary:
        return load_native(layer_folder(folder, layer)).to(device=device, dtype=dtype)

    return TranscoderSet(name, model, configs, load)


def save_crosslayer(
    transcoder: CrossLayerTranscoder,
    folder: Path,
    *,
    storage: Storage = "float32",
    metrics: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a cross-layer transcoder as a folder that appears complete or not at all; an older one is replaced.

    Raises:
        BadRequest: it cannot be stored this way.
        OutOfSpace: the disk cannot hold it.
    """
    if storage not in _DTYPES:
        raise BadRequest(f"A cross-layer transcoder is not stored as {storage}.", "", f"Take {' or '.join(_DTYPES)}.")
    config = transcoder.config
    with staged(folder) as aside:
        aside.mkdir()
        for layer in config.layers:
            tensors = {name: _stored(name, one, storage) for name, one in transcoder.tensors(layer).items()}
            require_space(folder, sum(one.nbytes for one in tensors.values()))
            save_file(tensors, aside / _file(layer))
            # Layers of another tool's are made when they are asked for: all of them at once would fill the memory.
            transcoder.release(layer)
        described = {"format": _CROSSLAYER_FORMAT, "version": _VERSION, "crosslayer": to_dict(config)}
        write_json(aside / CROSSLAYER, described)
        _write_records(aside, metrics, provenance)


def save_replacement(
    replacement: Replacement,
    folder: Path,
    *,
    name: str,
    model: str | None = None,
    storage: Storage = "float32",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a set or a cross-layer transcoder under a name, and a model's name, of the caller's choice.

    Raises:
        BadRequest: it cannot be stored this way.
        OutOfSpace: the disk cannot hold it.
    """
    model = model or replacement.model
    if isinstance(replacement, CrossLayerTranscoder):
        config = dataclasses.replace(replacement.config, name=name, model=model)

        def once(layer: int) -> dict[str, Tensor]:
            tensors = replacement.tensors(layer)
            replacement.release(layer)
            return tensors

        renamed = CrossLayerTranscoder(config, once)
        save_crosslayer(renamed, folder, storage=storage, provenance=provenance)
        return
    assert isinstance(replacement, TranscoderSet)
    configs = {
        layer: dataclasses.replace(replacement.config(layer), name=f"{name}.{layer}", model=model)
        for layer in replacement.layers
    }

    def load(layer: int) -> Dictionary:
        return Dictionary(configs[layer], **dict(replacement.transcoder(layer).state_dict()))

    save_set(TranscoderSet(name, model, configs, load), folder, storage=storage, provenance=provenance)


def open_crosslayer(
    folder: Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> CrossLayerTranscoder:
    """The cross-layer transcoder in a folder. A layer is read when it is asked for, its decoder's rows one by one.

    Raises:
        BadArtefact: the description is damaged, or a layer's file is missing, cut short or of other shapes.
    """
    config = read_crosslayer_config(folder)
    files = {layer: folder / _file(layer) for layer in config.layers}
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise _bad(folder, f"There is no {', '.join(missing[:4])}.")

    def load(layer: int) -> dict[str, Tensor]:
        return map_weights(files[layer], layer_shapes(config, layer), unchecked=("W_dec",))

    return CrossLayerTranscoder(config, load, device=device, dtype=dtype)


def read_crosslayer_config(folder: Path) -> CrossLayerConfig:
    """What the cross-layer transcoder in a folder is; no weights are read.

    Raises:
        BadArtefact: the file does not describe one.
    """
    path = folder / CROSSLAYER
    match read_json(path):
        case {"format": str(kind), "version": int(version), "crosslayer": dict(data)}:
            pass
        case _:
            raise _bad(path, "It does not describe a cross-layer transcoder.")
    if kind != _CROSSLAYER_FORMAT or version != _VERSION:
        raise _bad(path, f"It is '{kind}' version {version}; this hooke reads '{_CROSSLAYER_FORMAT}' {_VERSION}.")
    try:
        return from_dict(CrossLayerConfig, data)
    except BadRequest as error:
        raise _bad(path, str(error)) from error


def _file(layer: int) -> str:
    return f"layer-{layer}.safetensors"


def _stored(name: str, tensor: Tensor, storage: str) -> Tensor:
    """Matrices in the dtype asked for; biases and thresholds are small and stay float32."""
    stored = tensor.detach().cpu().to(_DTYPES[storage] if tensor.ndim > 1 else torch.float32).contiguous()
    if not bool(torch.isfinite(stored).all()):
        raise BadRequest(
            f"This cross-layer transcoder cannot be stored as {storage}.",
            f"'{name}' has values that are not finite in it.",
            "Store it as float32.",
        )
    return stored


def _write_records(folder: Path, metrics: Mapping[str, Any] | None, provenance: Mapping[str, Any] | None) -> None:
    for name, data in (("metrics", metrics), ("provenance", provenance)):
        if data is not None:
            write_json(folder / f"{name}.json", dict(data))


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as transcoders.", found, "Make them again, or fetch a fresh copy.")
