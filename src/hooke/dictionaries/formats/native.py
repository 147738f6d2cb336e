"""hooke's own format: a folder with config.json, weights.safetensors and what is known of how they came to be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.configs import from_dict, to_dict
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, weight_shapes
from hooke.dictionaries.formats.weights_file import read_weights
from hooke.dictionaries.neurons import Neurons
from hooke.errors import BadArtefact, BadRequest
from hooke.lab import read_json, require_space, staged, write_json

Storage = Literal["float32", "float16", "int8"]

FORMAT = "hooke-dictionary"
VERSION = 1
CONFIG, WEIGHTS = "config.json", "weights.safetensors"

# The axis of each large weight along which the numbers lie that share a scale: those of one feature, and of the skip
# those that one output sums up. Biases and thresholds are small and stay float32.
_SCALED_AXIS = {"W_enc": 0, "W_dec": 1, "W_skip": 0}
_BYTES: dict[Storage, int] = {"float32": 4, "float16": 2, "int8": 1}


def is_native(folder: Path) -> bool:
    """Whether the files are those of this format."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def save_dictionary(
    dictionary: Dictionary,
    folder: Path,
    *,
    storage: Storage = "float32",
    metrics: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a dictionary as a folder that appears complete or not at all; an older one at its place is replaced.

    int8 keeps one scale per feature and matrix, so that each feature loses at most 1/254 of its largest weight.

    Raises:
        BadRequest: float16 cannot hold the weights.
        OutOfSpace: the disk cannot hold them.
    """
    require_space(folder, _n_bytes(dictionary, storage))
    tensors: dict[str, Tensor] = {}
    for name, parameter in dictionary.named_parameters():
        tensors |= _pack(name, parameter.detach().to("cpu", torch.float32), storage)
    config = {"format": FORMAT, "version": VERSION, "storage": storage, "dictionary": to_dict(dictionary.config)}
    with staged(folder) as aside:
        aside.mkdir()
        save_file(tensors, aside / WEIGHTS)
        write_json(aside / CONFIG, config)
        for name, data in (("metrics", metrics), ("provenance", provenance)):
            if data is not None:
                write_json(aside / f"{name}.json", dict(data))


def load_native(folder: Path) -> Dictionary:
    """The dictionary in a folder of this format, as float32.

    Raises:
        BadArtefact: a file is missing, truncated, hostile or contradicts another.
    """
    config, storage = read_config(folder)
    shapes = weight_shapes(config)
    stored = dict(shapes)
    if storage == "int8":
        stored |= {f"{name}_scale": (shapes[name][1 - axis],) for name, axis in _SCALED_AXIS.items() if name in shapes}
    tensors = read_weights(folder / WEIGHTS, stored)
    weights = {name: _unpack(name, tensors, folder) for name in shapes}
    return Neurons(config, **weights) if config.kind == "neurons" else Dictionary(config, **weights)


def read_config(folder: Path) -> tuple[DictionaryConfig, Storage]:
    """What the dictionary in a folder is and how its weights are stored; the weights are not opened.

    Raises:
        BadArtefact: the file is missing, or does not describe a dictionary of this format.
    """
    path = folder / CONFIG
    match read_json(path):
        case {"format": str(name), "version": int(version), "storage": str(storage), "dictionary": dict(data)}:
            pass
        case _:
            raise _bad(path, "It does not describe a hooke dictionary.", "Make the dictionary again.")
    if name != FORMAT or version != VERSION or storage not in _BYTES:
        raise _bad(
            path,
            f"It is '{name}' version {version}, stored as '{storage}'.",
            f"This hooke reads '{FORMAT}' version {VERSION}, stored as {', '.join(_BYTES)}.",
        )
    try:
        return from_dict(DictionaryConfig, data), storage
    except BadRequest as error:
        raise _bad(path, str(error), "Make the dictionary again.") from error


def _pack(name: str, weight: Tensor, storage: Storage) -> dict[str, Tensor]:
    if name not in _SCALED_AXIS or storage == "float32":
        return {name: weight.contiguous()}
    if storage == "float16":
        half = weight.half().contiguous()
        if not bool(torch.isfinite(half).all()):
            raise BadRequest(
                "This dictionary cannot be stored as float16.",
                f"'{name}' reaches {float(weight.abs().max()):.3g}; float16 ends at 65504.",
                "Store it as int8 or float32.",
            )
        return {name: half}
    axis = _SCALED_AXIS[name]
    scale = weight.abs().amax(axis) / 127
    steps = weight / scale.clamp(min=torch.finfo(torch.float32).tiny).unsqueeze(axis)
    return {name: steps.round().to(torch.int8).contiguous(), f"{name}_scale": scale}


def _unpack(name: str, tensors: dict[str, Tensor], folder: Path) -> Tensor:
    tensor, scale = tensors[name], tensors.get(f"{name}_scale")
    if (tensor.dtype == torch.int8) != (scale is not None) or not (
        tensor.dtype == torch.int8 or tensor.is_floating_point()
    ):
        raise _bad(folder / WEIGHTS, f"'{name}' is stored as {tensor.dtype}.", "Make the dictionary again.")
    weight = tensor.to(torch.float32)
    return weight if scale is None else weight * scale.to(torch.float32).unsqueeze(_SCALED_AXIS[name])


def _n_bytes(dictionary: Dictionary, storage: Storage) -> int:
    return sum(
        parameter.numel() * (_BYTES[storage] if parameter.ndim == 2 else 4) for parameter in dictionary.parameters()
    )


def _bad(path: Path, found: str, do: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as a dictionary.", found, do)
