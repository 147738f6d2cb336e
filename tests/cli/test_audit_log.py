"""`hooke monitor verify-log | export-log | erase-text | new-key`."""

import json
from pathlib import Path

from hooke.monitors.audit_log import LOG, AuditLog
from hooke.monitors.signing_keys import read_key
from tests.cli.conftest import Hooke


def test_a_log_is_verified_exported_and_a_text_erased(hooke: Hooke, tmp_path: Path):
    public = hooke(f"monitor new-key {tmp_path}/key --json").data["public_key"]
    with AuditLog(tmp_path / "log", actor="x", signer=read_key(tmp_path / "key"), every=2) as log:
        entry = log.append("flag", {"at": 1}, text="a text")
        log.append("flag")
    assert entry.text is not None
    good = hooke(f"monitor verify-log {tmp_path}/log --key {public} --json")
    assert (good.code, good.data["is_sound"], good.data["verified"]["n_signed"]) == (0, True, 1)
    assert good.data["verified"]["limits"]
    hooke(f"monitor export-log {tmp_path}/log --out {tmp_path}/a.json")
    assert json.loads((tmp_path / "a.json").read_text())["entries"][1]["opened_text"] == "a text"
    erased = hooke(f"monitor erase-text {tmp_path}/log {entry.text.record} --json")
    assert (erased.code, erased.data["entry"]) == (0, 3)
    hooke(f"monitor export-log {tmp_path}/log --out {tmp_path}/a.json --json")
    assert "a text" not in (tmp_path / "a.json").read_text()
    assert "hangs together" in hooke(f"monitor verify-log {tmp_path}/log").out


def test_a_broken_log_is_told_with_its_first_broken_entry(hooke: Hooke, tmp_path: Path):
    with AuditLog(tmp_path / "log", actor="x") as log:
        log.append("flag", {"score": 1})
    path = tmp_path / "log" / LOG
    path.write_text(path.read_text().replace('"score":1', '"score":2'))
    done = hooke(f"monitor verify-log {tmp_path}/log --json")
    assert (done.code, done.data["is_sound"], done.data["first_broken"]) == (1, False, 1)
    assert "NOT" in hooke(f"monitor verify-log {tmp_path}/log").out
    kept = tmp_path / "kept.jsonl"
    kept.write_text("{}\n")
    assert "no anchor" in hooke(f"monitor verify-log {tmp_path}/log --anchors {kept}").err
    assert "no audit log" in hooke(f"monitor erase-text {tmp_path} x").err
    assert hooke(f"monitor export-log {tmp_path}/log --out {tmp_path}/log").code == 2
    assert path.is_file()
