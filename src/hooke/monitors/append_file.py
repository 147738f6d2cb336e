"""Files that grow by whole lines: a line is there entirely or not at all, whatever happens while it is written.

Each line goes to the system in one call without a buffer of ours: a killed process loses at most the line that it was
writing, and leaves a torn one at most, which readers do not see and the next writer cuts off. With `sync` a line is on
the disk before the call returns, so that a loss of power cannot take it either.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from hooke.errors import BadArtefact, OutOfSpace
from hooke.lab import FULL


def append_line(path: Path, line: bytes, *, sync: bool, mode: int = 0o644) -> None:
    """Put a line at the end of a file; where that fails, the file is as it was.

    Raises:
        OutOfSpace: the disk is full.
        BadArtefact: writing failed, and the half-written line could not be taken back.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode)
    try:
        size = os.fstat(descriptor).st_size
        try:
            write_whole(descriptor, line, sync=sync)
        except OSError as error:
            _take_back(descriptor, size, path, error)
            if error.errno not in FULL:
                raise
            raise OutOfSpace(
                f"'{path.name}' could not be written.", f"The disk of {path.parent} is full.", "Free some space."
            ) from error
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: bytes, *, sync: bool) -> None:
    """All of some bytes, however little the system takes at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
    if sync:
        os.fsync(descriptor)


def _take_back(descriptor: int, size: int, path: Path, error: OSError) -> None:
    try:
        os.ftruncate(descriptor, size)
    except OSError as second:
        raise BadArtefact(
            f"'{path}' was left with half a line.", f"{error}; {second}.", "Open it again once the disk is well."
        ) from error


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that are whole, each with its end; none where there is no file."""
    if not path.is_file():
        return
    with path.open("rb") as handle:
        yield from (line for line in handle if line.endswith(b"\n"))


def torn_bytes(path: Path) -> int:
    """Bytes behind the last whole line."""
    return path.stat().st_size - sum(map(len, whole_lines(path))) if path.is_file() else 0


def cut_torn(path: Path) -> int:
    """Cut off what is behind the last whole line; how many bytes that were."""
    torn = torn_bytes(path)
    if torn:
        os.truncate(path, path.stat().st_size - torn)
    return torn
