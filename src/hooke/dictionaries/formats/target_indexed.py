"""Cross-layer decoders as some tools keep them: one tensor for each layer written to, [source, feature, d_out]."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hooke.dictionaries.formats.assemble import bad
from hooke.tensor_files import read_header

Tensors = Mapping[str, tuple[Path, str]]
"""Where each tensor lies: a file and its name there."""


def require_named(folder: Path, where: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises:
    BadArtefact: a tensor is missing or of another shape; no weights are read.
    """
    headers = {path: read_header(path) for path, _ in where.values()}
    for name, shape in shapes.items():
        path, theirs = where.get(name, (folder, ""))
        found = headers.get(path, {}).get(theirs, ("", None))[1]
        if found != shape:
            raise bad(path, f"'{theirs or name}' has shape {found}; it should have {shape}.")


def read_part(where: Tensors, name: str, place: int | None = None) -> Tensor:
    """A tensor, or its part at a place of the first axis, as float32; no other part is read.

    Raises:
        BadArtefact: the file is damaged, or the tensor has values that are not finite.
    """
    path, theirs = where[name]
    try:
        with safe_open(path, framework="pt") as file:
            part = file.get_tensor(theirs) if place is None else file.get_slice(theirs)[place]
    except (SafetensorError, OSError) as error:
        raise bad(path, f"{error}.") from error
    part = part.float()
    if not bool(torch.isfinite(part).all()):
        raise bad(path, f"'{theirs}' holds values that are not finite.")
    return part


def decoders_of(where: Tensors, name: str, source: int, n_layers: int) -> Tensor:
    """What the features of a source write to itself and each later layer, [feature, target, d_out].

    `name` with a target's place put in is its tensor.

    Raises:
        BadArtefact: a file is damaged.
    """
    return torch.stack([read_part(where, name.format(target), source) for target in range(source, n_layers)], dim=1)
