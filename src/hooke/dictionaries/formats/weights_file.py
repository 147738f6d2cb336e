"""Weights from a safetensors file that nobody vouches for."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hooke.errors import BadArtefact
from hooke.tensor_files import read_header

_found_finite: set[tuple[str, int, int, int, str]] = set()
"""Tensors of files as they are on disk that this process has looked through: layers are opened for every prompt."""


def read_weights(path: Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of a file that holds exactly these names and shapes, all of them finite.

    Names and shapes are compared before anything is allocated.

    Raises:
        BadArtefact: the file is not what it should be.
    """
    return map_weights(path, expected)


def map_weights(
    path: Path, expected: Mapping[str, tuple[int, ...]], *, unchecked: Collection[str] = ()
) -> dict[str, Tensor]:
    """The tensors of a file as `read_weights` gives them, memory-mapped; those unchecked are not looked at.

    Raises:
        BadArtefact: the file is not what it should be.
    """
    found = {name: shape for name, (_, shape) in read_header(path).items()}
    wrong = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    if wrong:
        told = ", ".join(f"{name:.40} {found.get(name, 'missing')}" for name in wrong[:6])
        due = ", ".join(f"{name:.40} {expected.get(name, 'absent')}" for name in wrong[:6])
        raise _bad(path, f"It has {told}; it should have {due}.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in expected}
    except (SafetensorError, OSError) as error:
        raise _bad(path, f"{error}.") from error
    status = path.stat()
    file_now = (str(path.resolve()), status.st_ino, status.st_mtime_ns, status.st_size)
    for name, tensor in tensors.items():
        if name in unchecked or not tensor.is_floating_point() or (*file_now, name) in _found_finite:
            continue
        if not is_finite(tensor):
            raise _bad(path, f"'{name}' holds values that are not finite.")
        _found_finite.add((*file_now, name))
    return tensors


def is_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are."""
    # A sum is several times quicker than a look at each number; only where it overflows has the slow way to decide.
    return bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(torch.isfinite(tensor).all())


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as weights.", found, "Fetch or make a fresh copy.")
