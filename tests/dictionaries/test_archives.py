import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hooke.dictionaries import load_dictionary
from hooke.dictionaries.archives import is_archive, unpacked
from hooke.dictionaries.formats.native import save_dictionary
from hooke.errors import BadArtefact
from hooke.lab import Lab, open_lab
from tests.dictionaries.test_dictionary import dictionary


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return open_lab(tmp_path / "lab")


def zipped(path: Path, files: dict[str, bytes], **how) -> Path:
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name) if not how else name, content)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(
    name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, content if kind == tarfile.REGTYPE else b""


def nothing_is_left(lab: Lab) -> bool:
    return [path for path in lab.root.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("name", ["made.zip", "made.tar.gz", "made.tar"])
def test_a_dictionary_opens_from_an_archive(tmp_path: Path, lab: Lab, name: str):
    save_dictionary(dictionary("relu"), tmp_path / "made")
    files = sorted((tmp_path / "made").iterdir())
    if name.endswith(".zip"):
        zipped(tmp_path / name, {f"made/{one.name}": one.read_bytes() for one in files})
    else:
        tarred(tmp_path / name, *(member(f"made/{one.name}", one.read_bytes()) for one in files))
    assert load_dictionary(str(tmp_path / name), lab=lab).config.kind == "relu"
    first = unpacked(tmp_path / name, lab)
    (first / "config.json").touch()
    assert unpacked(tmp_path / name, lab) == first
    assert len(lab.names("cache")) == 1


def test_other_content_is_unpacked_anew(tmp_path: Path, lab: Lab):
    one = unpacked(zipped(tmp_path / "a.zip", {"x": b"1", "y": b"2"}), lab)
    assert unpacked(zipped(tmp_path / "a.zip", {"x": b"3", "y": b"2"}), lab) != one
    assert (one / "x").read_bytes() == b"1"


TRICKS = ["../out", "/out", "a/../../out", "..\\out", "C:out", "a\nb", "..", "a/.."]


@pytest.mark.parametrize("name", TRICKS)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_would_leave_the_folder_are_refused(tmp_path: Path, lab: Lab, name: str, kind: str):
    if kind == "zip":
        path = zipped(tmp_path / "a.zip", {name: b"x"})
    else:
        path = tarred(tmp_path / "a.tar.gz", member("fine"), member(name))
    with pytest.raises(BadArtefact, match="outside its folder"):
        unpacked(path, lab)
    assert nothing_is_left(lab)
    assert not list(tmp_path.rglob("out"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, lab: Lab, kind: bytes):
    path = tarred(tmp_path / "a.tar", member("a", kind=kind, link="/etc/passwd"), member("a/b"))
    with pytest.raises(BadArtefact, match="no plain file"):
        unpacked(path, lab)


def test_a_link_in_a_zip_is_refused(tmp_path: Path, lab: Lab):
    info = zipfile.ZipInfo("a")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(BadArtefact, match="no plain file"):
        unpacked(tmp_path / "a.zip", lab)


def test_two_members_of_one_name_are_refused(tmp_path: Path, lab: Lab):
    with pytest.raises(BadArtefact):
        unpacked(tarred(tmp_path / "a.tar", member("a"), member("a")), lab)
    assert nothing_is_left(lab)


def bomb(path: Path) -> Path:
    return zipped(path, {"a": b"\0" * 30_000_000, "b": b""}, compression=zipfile.ZIP_DEFLATED)


def packed_bomb(path: Path) -> Path:
    return tarred(path, member("a", b"\0" * 30_000_000), member("b"))


@pytest.mark.parametrize(("name", "write"), [("a.zip", bomb), ("a.tar.gz", packed_bomb)])
def test_what_unpacks_to_something_absurd_is_refused(
    tmp_path: Path, lab: Lab, name: str, write: Callable[[Path], Path]
):
    with pytest.raises(BadArtefact, match="would unpack to"):
        unpacked(write(tmp_path / name), lab)
    assert nothing_is_left(lab)


def test_a_size_that_lies_is_found_out(tmp_path: Path, lab: Lab):
    path = zipped(tmp_path / "a.zip", {"a": b"\0" * 5000, "b": b""}, compression=zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    place = content.rindex((5000).to_bytes(4, "little"))
    content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    with pytest.raises(BadArtefact):
        unpacked(path, lab)
    assert nothing_is_left(lab)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_damaged_archives_are_refused(tmp_path: Path, lab: Lab, name: str):
    files = {"a": bytes(range(256)) * 8, "b": b"y" * 900}
    path = tmp_path / name
    if name.endswith(".zip"):
        zipped(path, files)
    else:
        tarred(path, *(member(*one) for one in files.items()))
    sound = path.read_bytes()
    for length in (0, 1, 30, min(1000, len(sound) // 2)):
        path.write_bytes(sound[:length])
        with pytest.raises(BadArtefact, match="was not unpacked"):
            unpacked(path, lab)
    assert nothing_is_left(lab)


def test_only_files_of_such_names_are_archives(tmp_path: Path):
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "A.ZIP").touch()
    assert [is_archive(tmp_path / one) for one in ("folder.zip", "A.ZIP", "none.tgz")] == [False, True, False]
