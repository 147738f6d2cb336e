"""Files that grow by whole lines, on disks that fill up and under writers that are killed."""

import errno
import os
from pathlib import Path

import pytest

from hooke.errors import BadArtefact, OutOfSpace
from hooke.monitors import append_file
from hooke.monitors.append_file import append_line, cut_torn, torn_bytes, whole_lines


def test_lines_are_added(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert list(whole_lines(path)) == []
    append_line(path, b"one\n", sync=True, mode=0o600)
    append_line(path, b"two\n", sync=False)
    assert list(whole_lines(path)) == [b"one\n", b"two\n"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_is_not_seen_and_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one\ntw")
    assert (list(whole_lines(path)), torn_bytes(path)) == ([b"one\n"], 2)
    assert (cut_torn(path), path.read_bytes()) == (2, b"one\n")
    assert (cut_torn(path), cut_torn(tmp_path / "none")) == (0, 0)


def _half_then(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes half of a line, and refuses the rest."""
    real, seen = os.write, []

    def write(descriptor: int, data: memoryview) -> int:
        if seen:
            raise OSError(number, "no")
        seen.append(1)
        return real(descriptor, data[: len(data) // 2])

    monkeypatch.setattr(append_file.os, "write", write)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, OSError)])
def test_what_could_not_be_written_whole_is_taken_back(
    tmp_path: Path, number: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    append_line(path, b"one\n", sync=False)
    _half_then(number, monkeypatch)
    with pytest.raises(kind):
        append_line(path, b"twotwo\n", sync=False)
    assert path.read_bytes() == b"one\n"


def test_what_cannot_even_be_taken_back_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    _half_then(errno.ENOSPC, monkeypatch)
    monkeypatch.setattr(append_file.os, "ftruncate", refuse)
    with pytest.raises(BadArtefact, match="half a line"):
        append_line(tmp_path / "a", b"one\n", sync=False)
