"""Dictionaries that come as an archive: unpacked aside, in the lab's cache, once for each content.

An archive says where its members go and how large they are, and can lie about both. Only plain files inside the folder
are written, and none that turns out to be of another size.
"""

import hashlib
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hooke.errors import BadArtefact
from hooke.lab import FULL, Lab, require_space, staged, writing

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
# Weights hardly shrink: what unpacks to more than this many times its size is no archive of them.
_MOST_EXPANSION = 20
_MOST_MEMBERS = 10_000
_CHUNK = 2**20
_BROKEN = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error)


@dataclass(frozen=True, slots=True)
class _Member:
    """A plain file in an archive."""

    name: str
    n_bytes: int
    open: Callable[[], Any]


def is_archive(path: Path) -> bool:
    """Whether a path is a file that is named as an archive."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def unpacked(path: Path, lab: Lab) -> Path:
    """The folder of what is in an archive; of one that holds a single folder, that folder.

    Raises:
        BadArtefact: it is damaged, would write elsewhere, or would unpack to something absurd.
        OutOfSpace: the disk cannot hold it.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]|\.(?=\.)", "-", path.name).strip(".-")[:60]
    with path.open("rb") as file:
        target = lab.path("cache", f"{stem or 'archive'}-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}")
    if not target.is_dir():
        with writing(target), staged(target) as aside:
            aside.mkdir()
            _unpack(path, aside)
    inside = target
    while len(entries := list(inside.iterdir())) == 1 and entries[0].is_dir():
        inside = entries[0]
    return inside


def _unpack(path: Path, folder: Path) -> None:
    try:
        with _members(path) as members:
            n_bytes = sum(one.n_bytes for one in members)
            if n_bytes > _MOST_EXPANSION * path.stat().st_size + _CHUNK or len(members) > _MOST_MEMBERS:
                raise _bad(path, f"It would unpack to {len(members):,} files of {n_bytes:,} bytes together.")
            places = [_place(path, one.name) for one in members]
            require_space(folder, n_bytes)
            for one, place in zip(members, places, strict=True):
                _write(path, one, folder.joinpath(*place.parts))
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise _bad(path, f"{error or type(error).__name__}.") from error


def _write(path: Path, member: _Member, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    left = member.n_bytes
    # Never over a file that is there: of two members of one name, which would count?
    with member.open() as source, to.open("xb") as target:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            target.write(chunk)
    if left:
        raise _bad(path, f"'{member.name:.80}' does not have the {member.n_bytes:,} bytes that it should.")


def _place(path: Path, name: str) -> PurePosixPath:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or not place.parts or re.search(r"[\\:\x00-\x1f]", name):
        raise _bad(path, f"Its member {name!r:.80} would be written outside its folder.")
    return place


@contextmanager
def _members(path: Path) -> Iterator[list[_Member]]:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            yield [_zip_member(path, archive, one) for one in archive.infolist() if not one.is_dir()]
        return
    with tarfile.open(path) as archive:
        yield [_tar_member(path, archive, one) for one in _listed(path, archive) if not one.isdir()]


def _listed(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members, in the order of the file; a packed one is read no further than is believable."""
    total = 0
    for number, one in enumerate(archive):
        total += one.size
        if number > _MOST_MEMBERS or total > _MOST_EXPANSION * path.stat().st_size + _CHUNK:
            raise _bad(path, f"It would unpack to more than {number:,} files of {total:,} bytes together.")
        yield one


def _zip_member(path: Path, archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(one.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or one.flag_bits & 1:
        raise _bad(path, f"Its member '{one.filename:.80}' is no plain file.")
    return _Member(one.filename, one.file_size, lambda: archive.open(one))


def _tar_member(path: Path, archive: tarfile.TarFile, one: tarfile.TarInfo) -> _Member:
    if not one.isreg() or one.issparse():
        raise _bad(path, f"Its member '{one.name:.80}' is no plain file.")

    def opened() -> Any:
        file = archive.extractfile(one)
        assert file is not None
        return file

    return _Member(one.name, one.size, opened)


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' was not unpacked.", found, "Fetch a fresh copy, or unpack it and give the folder.")
