"""Safetensors files from anywhere, checked before anything is read or allocated. No torch here."""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from hooke.errors import BadArtefact

_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U64": 8,
    "U32": 4,
    "U16": 2,
    "U8": 1,
    "BOOL": 1,
}
_BYTES |= {"F8_E4M3": 1, "F8_E5M2": 1}
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Dtype and shape of each tensor in a safetensors file whose header tells the truth about its size.

    Raises:
        BadArtefact: the file is missing, cut short, a pickle, or its header lies.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            start = handle.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if len(start) < 8 or length > size - 8 or length > 100_000_000:
                # Only now: a sound header of 640 bytes starts like a pickle, too.
                if start.startswith(_PICKLES):
                    raise _bad(path, "it is a pickle or zip archive, which can run code and is not opened")
                raise _bad(path, f"its header claims {length} bytes in a file of {size}")
            header = json.loads(handle.read(length))
    except OSError as error:
        raise _bad(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _bad(path, "its header is not a table of tensors")
    header.pop("__metadata__", None)
    return {name: _check_entry(path, name, entry, size - 8 - length) for name, entry in header.items()}


def _check_entry(path: Path, name: str, entry: Any, n_bytes: int) -> tuple[str, tuple[int, ...]]:
    try:
        dtype, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        is_sound = all(isinstance(axis, int) and axis >= 0 for axis in (*shape, begin, end))
        expected = _BYTES[dtype] * prod(shape) if is_sound else -1
    except (TypeError, KeyError, ValueError) as error:
        raise _bad(path, f"its entry '{name:.60}' is not that of a tensor") from error
    if not is_sound or end - begin != expected or end > n_bytes:
        raise _bad(path, f"tensor '{name:.60}' of {dtype} {list(shape)} claims bytes {begin}-{end} of {n_bytes}")
    return dtype, shape


def _bad(path: Path, why: str) -> BadArtefact:
    return BadArtefact(f"'{path}' is not a sound safetensors file:", f"{why}.", "Fetch it or make it again.")
