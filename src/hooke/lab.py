"""The folder where a user's artefacts live: names, half-written work, locks, disk space, provenance.

A half-written artefact is never visible: it is written in a hidden folder beside its place and renamed
when complete. Readers need no lock; writers of one artefact exclude each other.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import uuid4

from hooke.errors import BadArtefact, BadRequest, LabBusy, OutOfSpace, UnknownName, did_you_mean

ROOMS = (
    "models",
    "activations",
    "dictionaries",
    "features",
    "graphs",
    "circuits",
    "monitors",
    "audits",
    "reports",
    "prompts",
    "recipes",
    "directions",
    "probes",
    "lenses",
    "interactions",
    "cache",
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors that mean that a disk is full."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab on disk; `Lab.path("features", "smollm2-res")` is where that artefact lives."""

    root: Path

    def path(self, room: str, name: str) -> Path:
        """Where the artefact of this name lives, whether or not it is there.

        Raises:
            BadRequest: the name could leave the lab or is not a plain name.
        """
        assert room in ROOMS, room
        if not _NAME.fullmatch(name) or ".." in name:
            raise BadRequest(
                f"'{name}' is not a name for {room}.",
                "Names have letters, digits, '.', '_' and '-', start with a letter or digit, at most 100 in all.",
                "Choose another name.",
            )
        return self.root / room / name

    def find(self, room: str, name: str) -> Path:
        """The path of an artefact that is there.

        Raises:
            UnknownName: it is not there.
        """
        path = self.path(room, name)
        if not path.exists():
            names = self.names(room)
            raise UnknownName(
                f"No {room} '{name}' in the lab {self.root}.",
                did_you_mean(name, names)
                or (f"There are: {', '.join(names[:12])}." if names else "There are none yet."),
                "Check the name, or make it first.",
            )
        return path

    def names(self, room: str) -> list[str]:
        """Names of the finished artefacts of a room."""
        folder = self.root / room
        return sorted(path.name for path in folder.iterdir() if _NAME.fullmatch(path.name)) if folder.is_dir() else []


def open_lab(root: str | Path | None = None) -> Lab:
    """The lab at `root`, else at $HOOKE_LAB, else `lab` in the current folder. Nothing is created yet."""
    return Lab(Path(root or os.environ.get("HOOKE_LAB") or "lab").expanduser().resolve())


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A hidden path to write a file or folder at; on success it takes the target's place in one rename.

    When the block raises, what was written is removed and an older artefact at the target stays as it was. An older
    folder gives way by a rename of its own, so for an instant nothing is there.

    Raises:
        OutOfSpace: the disk filled up while writing.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.parent / f".{target.name}.{os.getpid()}-{uuid4().hex[:8]}"
    try:
        yield aside
        _put_in_place(aside, target)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OutOfSpace(
            f"'{target.name}' could not be written.",
            f"The disk of {target.parent} is full.",
            "Free some space; what was finished before is kept.",
        ) from error
    finally:
        _remove(aside)


def _put_in_place(aside: Path, target: Path) -> None:
    if not target.is_dir():
        aside.replace(target)
        return
    old = target.parent / f".{target.name}.old-{uuid4().hex[:8]}"
    target.replace(old)
    try:
        aside.replace(target)
    except OSError:
        old.replace(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of one."""
    with staged(path) as aside:
        aside.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON data in a file.

    Raises:
        BadArtefact: the file is missing, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadArtefact(
            f"'{path}' could not be read.", f"{error}.", "Make the artefact again, or fetch a fresh copy."
        ) from error


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Exclude other writers of one artefact for the block; the lock goes with the process, however that ends.

    Raises:
        LabBusy: another process is writing it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip() or "another process"
            raise LabBusy(
                f"'{target.name}' is being written by {owner}.", "", "Wait for it, or choose another name."
            ) from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield


def require_space(folder: Path, n_bytes: int) -> None:
    """Refuse a job that the disk cannot hold, before it starts.

    Raises:
        OutOfSpace: less than `n_bytes` plus a margin of 2 % is free.
    """
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    if n_bytes * 1.02 > free:
        raise OutOfSpace(
            f"This needs {n_bytes / 1e9:.2f} GB in {folder}.",
            f"{free / 1e9:.2f} GB are free.",
            "Free some space, or ask for fewer tokens or sites.",
        )


def provenance(*, seed: int | None = None, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
    """How an artefact came to be: command, versions, seed, input hashes, date."""
    versions = {}
    for package in ("hooke", "torch", "transformers", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions,
        "seed": seed,
        "inputs": inputs or {},
    }
