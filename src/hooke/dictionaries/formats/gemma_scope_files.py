"""Gemma Scope's weights: params.npz of the first suite, params.safetensors of the second. Encoders are [d, feature]."""

import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from hooke.dictionaries.formats.weights_file import read_weights
from hooke.errors import BadArtefact
from hooke.tensor_files import read_header

ARCHIVE, SAFE = "params.npz", "params.safetensors"
NAMES = {
    "w_enc": "W_enc",
    "b_enc": "b_enc",
    "w_dec": "W_dec",
    "b_dec": "b_dec",
    "threshold": "threshold",
    "affine_skip_connection": "W_skip",
}
# An archive that unpacks to more than this many times its size is not one of weights.
_MOST_EXPANSION = 20
# What a zip archive of arrays raises when it is not one.
BROKEN = (OSError, ValueError, RuntimeError, EOFError, KeyError, SyntaxError, zipfile.BadZipFile, zlib.error)
_REQUIRED = {"W_enc", "b_enc", "W_dec", "b_dec", "threshold"}


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by our names; nothing else is read.

    Raises:
        BadArtefact: the file is damaged or would unpack to something absurd.
    """
    if path.suffix == ".safetensors":
        return {NAMES.get(name.lower(), name): shape for name, (_, shape) in read_header(path).items()}
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > _MOST_EXPANSION * path.stat().st_size:
                raise bad(path, f"It would unpack to {unpacked:,} bytes.")
            return {_own_name(name): _npy_shape(archive, name) for name in archive.namelist()}
    except BROKEN as error:
        raise bad(path, f"{error}.") from error


def require_tensors(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by our names, of a file that has what a dictionary needs and nothing that is unknown.

    Raises:
        BadArtefact: it has not.
    """
    shapes = read_shapes(path)
    unknown = set(shapes) - {*NAMES.values(), "scaling_factor"}
    if unknown or not set(shapes) >= _REQUIRED or len(shapes["W_enc"]) != 2 or len(shapes["W_dec"]) != 2:
        raise bad(path, f"It has {shapes}.")
    return shapes


def read_params(path: Path) -> dict[str, Tensor]:
    """The tensors by our names, as float32.

    Raises:
        BadArtefact: the file is damaged, or holds what is no weight.
    """
    require_tensors(path)
    if path.name == SAFE:
        found = read_weights(path, {name: shape for name, (_, shape) in read_header(path).items()})
        named = {NAMES.get(name.lower(), name): one.float() for name, one in found.items()}
    else:
        named = _read_archive(path)
    scaling = named.pop("scaling_factor", None)
    if scaling is not None and not torch.allclose(scaling, torch.ones_like(scaling)):
        raise bad(path, "It has a scaling factor that is not one.")
    return named


def _read_archive(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {_own_name(name): archive[name] for name in archive.files}
    except BROKEN as error:
        raise bad(path, f"{error}.") from error
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
            raise bad(path, f"'{name}' holds values that are not finite numbers.")
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}


def _own_name(member: str) -> str:
    stem = member.removesuffix(".npy")
    return NAMES.get(stem.lower(), stem)


def _npy_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as member:
        version = npy.read_magic(member)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(member)
        n_bytes = archive.getinfo(name).file_size - member.tell()
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != n_bytes:
        raise ValueError(f"'{name:.40}' claims {dtype} {shape} in {n_bytes} bytes")
    return tuple(shape)


def bad(path: Path, found: str) -> BadArtefact:
    """The refusal of a file."""
    return BadArtefact(f"'{path}' could not be read as a dictionary.", found, "Fetch a fresh copy.")
