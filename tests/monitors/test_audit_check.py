"""Verifying: each thing that can be done to a log is found and called by its name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hooke.errors import UnknownName
from hooke.monitors.audit_chain import FIRST, canonical, parse_entry
from hooke.monitors.audit_check import LIMITS, exported, verify
from hooke.monitors.audit_log import ANCHORS, LOG, AuditLog, read_anchors
from hooke.monitors.sealed_texts import TEXTS
from hooke.monitors.signing_keys import new_key, public_key

Lines = list[bytes]


def _log(folder: Path, *, n: int = 6) -> Path:
    key = new_key(folder / "key")
    with AuditLog(folder / "log", actor="x", signer=key, every=4) as log:
        for at in range(n - 1):
            log.append("n", {"at": at}, text=f"text {at}" if at == 2 else None)
    return folder / "log"


def _changed(lines: Lines) -> Lines:
    return [line.replace(b'"at":1}', b'"at":9}') for line in lines]


def _rehashed(lines: Lines) -> Lines:
    """An entry changed by one who knows how hashes are made, and stops there."""
    entry = parse_entry(lines[2])
    entry = replace(entry, body={"at": 9})
    return [*lines[:2], replace(entry, hash=entry.hashed()).line(), *lines[3:]]


def _written_anew(lines: Lines) -> Lines:
    """Every entry from one on, with hashes that fit."""
    found, previous = [], FIRST
    for line in lines:
        entry = replace(parse_entry(line), previous=previous)
        entry = replace(entry, body={"at": 9}) if entry.index == 2 else entry
        entry = replace(entry, hash=entry.hashed())
        previous = entry.hash
        found.append(entry.line())
    return found


@pytest.mark.parametrize(
    ("harm", "kind", "first"),
    [
        (_changed, "changed", 2),
        (_rehashed, "unbound", 3),
        (lambda lines: [*lines[:2], *lines[3:]], "gap", 2),
        (lambda lines: [*lines[:1], lines[2], lines[1], *lines[3:]], "gap", 1),
        (lambda lines: [*lines[:3], *lines[2:]], "repeated", 2),
        (lambda lines: [*lines[:2], b"nonsense\n", *lines[3:]], "changed", 2),
        (lambda lines: [*lines[:2], json.dumps(json.loads(lines[2])).encode() + b"\n", *lines[3:]], "changed", 2),
        (lambda lines: lines[1:], "gap", 0),
        (lambda lines: lines[:3], "truncated", 3),
        (_written_anew, "rewritten", 0),
    ],
)
def test_each_harm_is_found(tmp_path: Path, harm: Callable[[Lines], Lines], kind: str, first: int) -> None:
    folder = _log(tmp_path)
    assert verify(folder).is_sound
    path = folder / LOG
    path.write_bytes(b"".join(harm(path.read_bytes().splitlines(keepends=True))))
    found = verify(folder)
    assert (found.is_sound, found.problems[0].kind, found.first_broken) == (False, kind, first)


def test_swapped_entries_are_called_so(tmp_path: Path) -> None:
    path = _log(tmp_path) / LOG
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], lines[5], lines[4]]))
    assert [one.kind for one in verify(path.parent).problems] == ["gap", "reordered"]


def test_a_cut_off_tail_is_found_by_an_anchor_from_elsewhere_and_only_so(tmp_path: Path) -> None:
    folder = _log(tmp_path)
    (kept,) = read_anchors(folder)
    lines = (folder / LOG).read_bytes().splitlines(keepends=True)
    (folder / LOG).write_bytes(b"".join(lines[:3]))
    (folder / ANCHORS).unlink()
    alone = verify(folder)
    assert (alone.is_sound, alone.n_anchors) == (True, 0)
    assert any("newest entries" in one for one in alone.limits)
    assert verify(folder, anchors=[kept]).problems[0].kind == "truncated"


def test_anchors_of_another_key_are_not_taken_for_signed(tmp_path: Path) -> None:
    folder = _log(tmp_path)
    (kept,) = read_anchors(folder)
    own, other = kept.key, public_key(new_key(tmp_path / "other"))
    assert (verify(folder, key=own).is_sound, verify(folder).key_is_given) == (True, False)
    assert [one.kind for one in verify(folder, key=other).problems] == ["signature"]
    for forged in (
        replace(kept, at="2020"),
        replace(kept, signature="00"),
        replace(kept, key="zz"),
        replace(kept, key=""),
    ):
        (folder / ANCHORS).write_bytes(canonical({name: getattr(forged, name) for name in forged.__slots__}) + b"\n")
        found = verify(folder, key=own)
        assert ([one.kind for one in found.problems], found.n_signed) == (["signature"], 0)
    assert (verify(folder).is_sound, verify(folder).n_signed) == (True, 0)


def test_a_text_that_was_changed_or_taken_away_is_found(tmp_path: Path) -> None:
    folder = _log(tmp_path)
    path = folder / TEXTS
    data = json.loads(path.read_text())
    path.write_bytes(canonical(data | {"sealed": "AAAA" + data["sealed"][4:]}) + b"\n")
    assert [(one.kind, one.index) for one in verify(folder).problems] == [("text", 3)]
    path.unlink()
    assert [one.kind for one in verify(folder).problems] == ["text"]


def test_an_export_has_the_texts_that_can_be_read(tmp_path: Path) -> None:
    folder = _log(tmp_path)
    found = exported(folder)
    assert [one["opened_text"] for one in found] == [None, None, None, "text 2", None, None]
    with AuditLog(folder, actor="x") as log:
        log.erase(found[3]["text"]["record"])
    assert [one["opened_text"] for one in exported(folder)] == [None] * 7


def test_what_a_chain_cannot_show_is_said(tmp_path: Path) -> None:
    assert verify(_log(tmp_path)).limits == LIMITS
    with pytest.raises(UnknownName, match="no audit log"):
        verify(tmp_path / "none")
