"""Tensors from a safetensors file that nobody vouches for: the header is checked before anything is allocated."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hooke.errors import BadArtefact

_MAX_HEADER = 25_000_000
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a header says of one tensor."""

    dtype: str
    """Safetensors' name of the dtype, e.g. 'F32'."""
    shape: tuple[int, ...]
    """Its shape."""


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors that a file holds, once its header agrees with its size.

    Raises:
        BadArtefact: the file is missing, a pickle, truncated, or its header lies.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            if length > min(size - 8, _MAX_HEADER):
                raise _not_a_header(path, start, f"Its header claims {length} bytes in a file of {size}.")
            header = json.loads(handle.read(length))
    except OSError as error:
        raise _bad(path, f"{error}.") from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"Its header is not JSON: {error}.") from error
    return _check_header(path, header, size - 8 - length)


def read_tensors(path: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of these names and shapes, all of them finite. Other tensors in the file are refused.

    Raises:
        BadArtefact: the file is not what it should be.
    """
    header = read_header(path)
    found = {name: info.shape for name, info in header.items()}
    if found != dict(expected):
        wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        told = ", ".join(f"{name} {found.get(name, 'missing')}" for name in wrong[:6])
        due = ", ".join(f"{name} {expected.get(name, 'none')}" for name in wrong[:6])
        raise _bad(path, f"Found {told}; expected {due}.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise _bad(path, f"{error}.") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _bad(path, f"'{name}' holds values that are not finite.")
    return tensors


def _check_header(path: Path, header: Any, n_data_bytes: int) -> dict[str, TensorInfo]:
    if not isinstance(header, dict):
        raise _bad(path, "Its header is not an object.")
    infos, end = {}, 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        infos[name], last = _check_entry(path, name, entry)
        end = max(end, last)
    if end != n_data_bytes:
        raise _bad(path, f"Its header describes {end} bytes of data; the file has {n_data_bytes}.")
    return infos


def _check_entry(path: Path, name: str, entry: Any) -> tuple[TensorInfo, int]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(first), int(last)]} if (
            dtype in _BYTES
            and all(type(size) is int and size >= 0 for size in shape)
            and 0 <= first
            and last - first == prod(shape) * _BYTES[dtype]
        ):
            return TensorInfo(dtype, tuple(shape)), last
        case _:
            raise _bad(path, f"The header's entry for '{name:.40}' contradicts itself.")


def _not_a_header(path: Path, start: bytes, found: str) -> BadArtefact:
    if not start.startswith(_PICKLE_STARTS):
        return _bad(path, found)
    return BadArtefact(
        f"'{path}' was not opened.",
        "It is a pickle, which can run code when it is loaded.",
        "Ask its author for safetensors.",
    )


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as weights.", found, "Fetch or make a fresh copy.")
