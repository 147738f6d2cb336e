"""Finding aids: arrays made from an index so that questions are answered quickly, kept beside it in the lab.

An index never changes, so neither do they: each is one safetensors file in `features/.aids-HASH/`, made when it is
first needed, and made again when it is damaged. Where the lab cannot be written to, they live in memory.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from numpy import ndarray

from hooke.configs import content_hash
from hooke.errors import BadArtefact, BadRequest, LabBusy, OutOfSpace
from hooke.features.query import Index
from hooke.features.store import map_tensors, save_tensors
from hooke.lab import writing

AT_ONCE = 200_000
"""Features up to which an aid is made while the question waits; for more, `hooke index` or a job makes it before."""

_making = threading.RLock()


def aids_folder(index: Index) -> Path:
    """Where the lab keeps what was made of this index."""
    files = {name: entry.sha256 for name, entry in index.manifest.files.items()}
    return index.lab.root / "features" / f".aids-{content_hash(files)}"


def aid(
    index: Index, name: str, make: Callable[[], dict[str, ndarray]], *names: str, wait: bool = True
) -> dict[str, ndarray]:
    """The arrays of an aid, mapped from its file, or made now.

    Args:
        name: what the file is called; another number in it is another version.
        names: arrays that it must have.
        wait: make it even where that takes minutes.

    Raises:
        BadRequest: the index is large, and the aid has not been made.
    """
    if name in index.aids:
        return index.aids[name]
    with _making:
        found = index.aids.get(name)
        if found is None:
            found = _open(index, name, names)
        if found is None:
            if not wait and len(index) > AT_ONCE:
                raise BadRequest(
                    f"'{name.partition('-')[0]}' of the index '{index.manifest.name}' is not ready.",
                    f"It has {len(index)} features; this takes minutes.",
                    "Run the job 'prepare' for it.",
                )
            found = _make(index, name, make)
        index.aids[name] = found
        return found


def has_aid(index: Index, name: str) -> bool:
    """Whether an aid is there."""
    return name in index.aids or _path(index, name).is_file()


def _path(index: Index, name: str) -> Path:
    return aids_folder(index) / f"{name}.safetensors"


def _open(index: Index, name: str, names: tuple[str, ...]) -> dict[str, ndarray] | None:
    path = _path(index, name)
    if not path.is_file():
        return None
    try:
        return map_tensors(path, *names)
    except BadArtefact:
        return None


def _make(index: Index, name: str, make: Callable[[], dict[str, ndarray]]) -> dict[str, ndarray]:
    arrays = make()
    path = _path(index, name)
    # What cannot be kept is still good: no permission, no space, or another process that is writing the same.
    with suppress(OSError, OutOfSpace, LabBusy), writing(path):
        save_tensors(path, arrays)
        return map_tensors(path)
    return arrays
