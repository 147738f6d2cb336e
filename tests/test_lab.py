"""The lab: nothing half-written, nothing lost, one writer at a time, no path that leads out."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hooke import lab as rooms
from hooke.errors import BadArtefact, BadRequest, LabBusy, OutOfSpace, UnknownName
from hooke.lab import Lab, open_lab, provenance, read_json, require_space, staged, write_json, writing


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process that runs a script."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_lab_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_lab: Path):
    assert open_lab(tmp_path / "given").root == tmp_path / "given"
    assert open_lab().root == own_lab
    monkeypatch.delenv("HOOKE_LAB")
    monkeypatch.chdir(tmp_path)
    assert open_lab().root == tmp_path / "lab"
    assert not (tmp_path / "lab").exists(), "opening makes nothing"


@given(st.text())
def test_no_name_leads_out_of_its_room(name: str):
    lab = Lab(Path("/somewhere/lab"))
    try:
        path = lab.path("features", name)
    except BadRequest:
        return
    assert Path(os.path.normpath(path)).parent == Path("/somewhere/lab/features")
    assert not path.name.startswith(".")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "/etc", "a\\b/c", ".hidden", "a..b", "a\n", "é", "x" * 101]
)
def test_such_names_are_refused(name: str):
    with pytest.raises(BadRequest, match="is not a name for features"):
        Lab(Path("lab")).path("features", name)


def test_what_is_there_is_found_and_what_is_not_is_refused(tmp_path: Path):
    lab = Lab(tmp_path)
    with pytest.raises(UnknownName, match="There are none yet"):
        lab.find("features", "x")
    for name in ("first", "second", ".first.123-abc", ".first.lock"):
        (tmp_path / "features" / name).mkdir(parents=True)
    assert lab.names("features") == ["first", "second"]
    assert lab.find("features", "first") == tmp_path / "features" / "first"
    with pytest.raises(UnknownName, match="Did you mean 'first'"):
        lab.find("features", "frist")
    with pytest.raises(UnknownName, match="There are: first, second"):
        lab.find("features", "zzz")


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("is_folder", [False, True])
def test_staged_work_takes_its_place_whole(tmp_path: Path, *, was_there: bool, is_folder: bool):
    target = tmp_path / "room" / "artefact"

    def put(path: Path, text: str) -> None:
        if is_folder:
            path.mkdir()
            (path / "inside").write_text(text)
        else:
            path.write_text(text)

    if was_there:
        target.parent.mkdir()
        put(target, "old")
    with staged(target) as aside:
        put(aside, "new")
        assert target.exists() == was_there
    assert (target / "inside" if is_folder else target).read_text() == "new"
    assert hidden(target.parent) == []


@pytest.mark.parametrize("error", [ValueError("x"), OSError(errno.EIO, "x"), KeyboardInterrupt()])
def test_staged_work_that_raises_leaves_what_was_there(tmp_path: Path, error: BaseException):
    target = tmp_path / "artefact"
    target.mkdir()
    (target / "inside").write_text("old")

    def job() -> None:
        with staged(target) as aside:
            aside.mkdir()
            (aside / "inside").write_text("ne")
            raise error

    with pytest.raises(type(error)) as caught:
        job()
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert (target / "inside").read_text() == "old"
    assert hidden(tmp_path) == []


def test_staged_work_that_was_forgotten_leaves_what_was_there(tmp_path: Path):
    target = tmp_path / "artefact"
    target.mkdir()
    with pytest.raises(FileNotFoundError), staged(target):
        pass
    assert target.is_dir()
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full(tmp_path: Path, code: int):
    with pytest.raises(OutOfSpace, match="'artefact' could not be written. The disk of"), staged(tmp_path / "artefact"):
        raise OSError(code, os.strerror(code))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_grow_is_out_of_space_too(tmp_path: Path):
    write_json(tmp_path / "x.json", [1])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OutOfSpace):
            write_json(tmp_path / "x.json", list(range(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert read_json(tmp_path / "x.json") == [1]
    assert hidden(tmp_path) == []


def test_a_writer_that_is_killed_leaves_the_old_artefact_whole(tmp_path: Path):
    write_json(tmp_path / "x.json", "old")
    writer = run(
        """
        import sys
        from pathlib import Path
        from hooke.lab import staged
        with staged(Path(sys.argv[1])) as aside:
            aside.write_text('"ne')
            print("half-way", flush=True)
            sys.stdin.read()
        """,
        tmp_path / "x.json",
    )
    assert said(writer) == "half-way"
    writer.kill()
    writer.communicate()
    assert read_json(tmp_path / "x.json") == "old"
    assert Lab(tmp_path.parent).names(tmp_path.name) == ["x.json"]


def test_readers_see_the_old_or_the_new_never_half(tmp_path: Path):
    path = tmp_path / "x.json"
    write_json(path, [0] * 5000)
    writer = run(
        """
        import sys
        from pathlib import Path
        from hooke.lab import write_json
        for number in range(200):
            write_json(Path(sys.argv[1]), [number] * 5000)
        """,
        path,
    )
    seen = set()
    while writer.poll() is None:
        data = read_json(path)
        assert len(data) == 5000
        assert len(set(data)) == 1
        seen.add(data[0])
    writer.communicate()
    assert read_json(path)[0] == 199
    assert len(seen) > 1, "both were at it at the same time"


LOCKER = """
    import sys
    from pathlib import Path
    from hooke.lab import writing
    with writing(Path(sys.argv[1])):
        print("locked", flush=True)
        sys.stdin.read()
"""


def test_two_processes_exclude_each_other(tmp_path: Path):
    target = tmp_path / "room" / "artefact"
    other = run(LOCKER, target)
    assert said(other) == "locked"
    with pytest.raises(LabBusy, match=f"'artefact' is being written by process {other.pid}"), writing(target):
        pass
    with writing(target.with_name("another")):
        pass
    other.communicate("")
    with writing(target), pytest.raises(LabBusy, match=f"process {os.getpid()}"), writing(target):
        pass


def test_a_lock_goes_with_its_process(tmp_path: Path):
    other = run(LOCKER, tmp_path / "artefact")
    assert said(other) == "locked"
    other.kill()
    other.communicate()
    with writing(tmp_path / "artefact"):
        pass


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(st.characters(codec="utf-8"))
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters(codec="utf-8")), inner)),
)


@settings(max_examples=25)
@given(json_values)
def test_json_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, data: object):
    path = tmp_path_factory.getbasetemp() / "law.json"
    write_json(path, data)
    assert read_json(path) == data


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_json_that_is_none_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BadArtefact, match="could not be read"):
        read_json(tmp_path / "x.json")


def test_json_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(BadArtefact, match="could not be read"):
        read_json(tmp_path / "x.json")
    with pytest.raises(BadArtefact, match="could not be read"):
        read_json(tmp_path)


def test_space_is_asked_for_before_a_job_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def usage(folder: Path) -> object:
        asked.append(folder)
        return type("Usage", (), {"free": 1_000_000_000})

    monkeypatch.setattr(rooms.shutil, "disk_usage", usage)
    require_space(tmp_path / "not" / "yet", 900_000_000)
    with pytest.raises(OutOfSpace, match=r"This needs 0.99 GB in .*yet. 1.00 GB are free"):
        require_space(tmp_path / "not" / "yet", 990_000_000)
    assert asked == [tmp_path, tmp_path], "the nearest folder that is there"


def test_provenance_says_how_it_came_to_be(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hooke", "harvest", "m"])
    found = provenance(seed=3, inputs={"corpus": "abc"})
    assert found["command"] == "hooke harvest m"
    assert (found["seed"], found["inputs"]) == (3, {"corpus": "abc"})
    assert {"hooke", "torch", "transformers", "numpy"} == set(found["versions"])
    assert found["date"].startswith(time.strftime("%Y-", time.gmtime()))
