"""The audit log: adding, anchors, writers that are killed, disks that are full."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hooke.errors import BadArtefact, BadRequest, LabBusy, OutOfSpace, UnknownName
from hooke.monitors import append_file
from hooke.monitors.append_file import whole_lines
from hooke.monitors.audit_check import verify
from hooke.monitors.audit_log import ANCHORS, LOG, AuditLog, parse_anchor, read_anchors
from hooke.monitors.signing_keys import new_key, public_key


def test_entries_are_added_and_go_on_after_reopening(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="gateway") as log:
        first = log.append("flag", {"score": 1.5})
        assert (first.index, first.actor, len(log)) == (1, "gateway", 2)
    with AuditLog(tmp_path, actor="gateway") as log:
        second = log.append("flag", actor="somebody else")
    assert (second.index, second.previous, second.actor) == (2, first.hash, "somebody else")
    assert [json.loads(line)["event"] for line in whole_lines(tmp_path / LOG)] == ["begun", "flag", "flag"]
    assert verify(tmp_path).is_sound


def test_two_logs_have_no_entry_in_common(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    heads = []
    for name in ("a", "b"):
        with AuditLog(tmp_path / name, actor="x", clock=lambda: now) as log:
            heads.append(log.append("same").hash)
    assert heads[0] != heads[1]


def test_an_anchor_comes_every_so_many_entries_and_is_signed(tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    folder = tmp_path / "log"
    with AuditLog(folder, actor="x", signer=key, every=4) as log:
        for at in range(9):
            log.append("n", {"at": at})
        last = log.anchor()
        assert log.anchor() is None
    assert [(one.start, one.stop) for one in read_anchors(folder)] == [(0, 4), (4, 8), (8, 10)]
    found = verify(folder, key=public_key(key))
    assert (found.is_sound, found.n_signed, found.n_anchored, found.n) == (True, 3, 10, 10)
    assert last == parse_anchor(list(whole_lines(folder / ANCHORS))[-1])
    with AuditLog(folder, actor="x", every=4) as log:
        log.append("n")
        assert [(one.start, one.stop) for one in read_anchors(folder)][-1] == (8, 10)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="x"), pytest.raises(LabBusy):
        AuditLog(tmp_path, actor="y")


def test_what_is_no_plain_data_is_refused(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="x") as log:
        for body in ({"n": float("nan")}, {"n": object()}):
            with pytest.raises(BadRequest, match="plain data"):
                log.append("n", body)
        assert len(log) == 1
    with pytest.raises(BadRequest, match="every 0"):
        AuditLog(tmp_path, actor="x", every=0)


def test_a_full_disk_is_an_error_and_the_entry_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def full(descriptor: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "full")

    with AuditLog(tmp_path, actor="x") as log:
        log.append("before")
        monkeypatch.setattr(append_file.os, "write", full)
        with pytest.raises(OutOfSpace):
            log.append("lost", text="a text")
        monkeypatch.setattr(append_file.os, "write", real)
        assert log.append("after").index == 2
    assert [json.loads(line)["event"] for line in whole_lines(tmp_path / LOG)] == ["begun", "before", "after"]
    assert verify(tmp_path).is_sound


def test_an_anchor_that_does_not_fit_comes_with_the_next_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def full_of_anchors(descriptor: int, data: memoryview) -> int:
        if b'"root"' in bytes(data):
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, data)

    with AuditLog(tmp_path, actor="x", every=2) as log:
        monkeypatch.setattr(append_file.os, "write", full_of_anchors)
        assert log.append("one").index == 1
        assert read_anchors(tmp_path) == []
        monkeypatch.setattr(append_file.os, "write", real)
        log.append("two")
    assert [(one.start, one.stop) for one in read_anchors(tmp_path)] == [(0, 3)]


def test_a_clock_that_is_set_back_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    times = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in (0, 2, 1, 3))
    with AuditLog(tmp_path, actor="x", clock=lambda: next(times)) as log:
        for _ in range(3):
            log.append("n")
    found = verify(tmp_path)
    assert (found.is_sound, found.clock_back) == (True, (2,))


def test_a_text_is_erased_and_the_chain_still_verifies(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="x") as log:
        entry = log.append("flag", text="somebody's words")
        assert entry.text is not None
        log.erase(entry.text.record, reason="asked for")
        with pytest.raises(UnknownName):
            log.erase(entry.text.record)
    found = verify(tmp_path)
    assert (found.is_sound, found.n_texts, found.n_erased) == (True, 1, 1)


def test_what_was_half_written_is_cut_off_and_told(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="x") as log:
        log.append("n")
    with (tmp_path / LOG).open("ab") as handle:
        handle.write(b'{"actor":"x","at"')
    found = verify(tmp_path)
    assert (found.is_sound, found.n, found.torn_bytes) == (True, 2, 17)
    with AuditLog(tmp_path, actor="x"):
        pass
    last = json.loads(list(whole_lines(tmp_path / LOG))[-1])
    assert (last["event"], last["body"]) == ("recovered", {"cut_bytes": {"log.jsonl": 17}})
    assert verify(tmp_path).is_sound


def test_nothing_is_added_to_a_damaged_log(tmp_path: Path) -> None:
    with AuditLog(tmp_path, actor="x") as log:
        log.append("n", {"score": 1})
    path = tmp_path / LOG
    for damaged in (path.read_bytes().replace(b'"score":1', b'"score":2'), b"nonsense\n"):
        path.write_bytes(damaged)
        with pytest.raises(BadArtefact, match="hang together"):
            AuditLog(tmp_path, actor="x")
    with pytest.raises(BadArtefact, match="no anchor"):
        parse_anchor("{}")


WRITER = """
import sys
from pathlib import Path
from hooke.monitors.audit_log import AuditLog
log = AuditLog(Path(sys.argv[1]), actor="x", every=7, sync=False)
while True:
    entry = log.append("n", {"filler": "." * 200}, text="text")
    sys.stdout.write(f"{entry.index}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("seconds", [0.05, 0.11])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path: Path, seconds: float) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline()]
        time.sleep(seconds)
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.stdout.read().splitlines(keepends=True)
    assert writer.returncode == -signal.SIGKILL
    acknowledged = max(int(one) for one in told if one.endswith(b"\n"))
    found = verify(tmp_path)
    assert found.is_sound
    assert acknowledged + 1 <= found.n <= acknowledged + 2
    with AuditLog(tmp_path, actor="x") as log:
        log.append("again")
    assert verify(tmp_path).is_sound
