"""An audit log: entries that can only be added, each bound to all before it, with signed anchors.

    FOLDER/log.jsonl      the chain, one entry a line
    FOLDER/anchors.jsonl  after every `every` entries: the head and a Merkle root, signed where there is a key
    FOLDER/texts.jsonl    texts that entries are about, sealed; keys.jsonl has a key for each, and losing it erases one

An entry is acknowledged, by `append` returning it, once its line has gone to the system whole, and by default once it
is on the disk. A disk that is full or a log that is damaged is an error of `append`, and the entry is not there then.
"""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hooke.configs import from_dict
from hooke.errors import BadArtefact, BadRequest, HookeError, OutOfSpace
from hooke.lab import writing
from hooke.monitors.append_file import append_line, cut_torn, whole_lines
from hooke.monitors.audit_chain import FIRST, Anchor, Entry, canonical, merkle_root, parse_entry
from hooke.monitors.sealed_texts import KEYS, TEXTS, lose_key, seal

LOG, ANCHORS = "log.jsonl", "anchors.jsonl"
EVERY = 1000
"""Entries between two anchors, unless told."""


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """A log that is open for adding; one writer at a time, from any of its threads."""

    def __init__(
        self,
        folder: Path,
        *,
        actor: str,
        signer: Ed25519PrivateKey | None = None,
        every: int = EVERY,
        sync: bool = True,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Open a log, or begin one. What a killed writer left half-written is cut off, and an entry says so.

        Args:
            actor: who writes, where an entry does not say otherwise.
            signer: signs the anchors.
            every: entries between two anchors.
            sync: whether an entry is on the disk before it is acknowledged; without, a loss of power can take the
                newest ones, a killed process cannot.

        Raises:
            LabBusy: another process has it open.
            BadArtefact: its last entries do not hang together.
            OutOfSpace: the disk is full.
        """
        if every < 1:
            raise BadRequest(f"Anchors cannot come every {every} entries.", "", "Give 1 or more.")
        self.folder, self._actor, self._signer, self._every = folder, actor, signer, every
        self._sync, self._clock = sync, clock
        self._lock, self._stack = threading.Lock(), ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(writing(folder / LOG))
        try:
            self._resume()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._n

    def append(
        self, event: str, body: dict[str, Any] | None = None, *, text: str | None = None, actor: str | None = None
    ) -> Entry:
        """Add an entry.

        Args:
            body: plain data without anybody's text, which could not be erased.
            text: a text that it is about; sealed, and erasable by the record that the entry names.

        Raises:
            OutOfSpace: the disk is full; the entry is not in the log.
            BadRequest: the body is no plain data.
        """
        try:
            canonical([event, body])
        except (TypeError, ValueError) as error:
            raise BadRequest("This cannot be logged.", f"{error}.", "Give plain data with finite numbers.") from error
        with self._lock:
            sealed = None if text is None else seal(self.folder, text, sync=self._sync)
            entry = Entry(
                index=self._n,
                at=self._clock().isoformat(timespec="microseconds"),
                actor=actor or self._actor,
                event=event,
                body=body or {},
                text=sealed,
                previous=self._head,
            )
            entry = replace(entry, hash=entry.hashed())
            append_line(self.folder / LOG, entry.line(), sync=self._sync)
            self._n, self._head = self._n + 1, entry.hash
            self._open_hashes.append(entry.hash)
            if len(self._open_hashes) >= self._every:
                # The entry is in the log, whatever becomes of the anchor; one that fails is tried again with the next.
                with suppress(OutOfSpace):
                    self._anchor()
            return entry

    def erase(self, record: str, *, reason: str = "") -> Entry:
        """Erase the text of a record; the entry that names it stays, and so does the chain. An entry says that it was.

        Raises:
            UnknownName: there is no text of this record that can be read.
            OutOfSpace: the disk is full.
        """
        with self._lock:
            lose_key(self.folder, record)
        return self.append("erased", {"record": record, "reason": reason})

    def anchor(self) -> Anchor | None:
        """Anchor all entries so far; None where the last anchor has them all. Keep it, or publish it, elsewhere.

        Raises:
            OutOfSpace: the disk is full.
        """
        with self._lock:
            return self._anchor()

    def close(self) -> None:
        """Let others write."""
        self._stack.close()

    def _anchor(self) -> Anchor | None:
        if not self._open_hashes:
            return None
        found = Anchor(
            start=self._n - len(self._open_hashes),
            stop=self._n,
            head=self._head,
            root=merkle_root(self._open_hashes),
            at=self._clock().isoformat(timespec="microseconds"),
            key="" if self._signer is None else self._signer.public_key().public_bytes_raw().hex(),
        )
        if self._signer is not None:
            found = replace(found, signature=self._signer.sign(found.signed_bytes()).hex())
        append_line(self.folder / ANCHORS, canonical(asdict(found)) + b"\n", sync=self._sync)
        self._open_hashes = []
        return found

    def _resume(self) -> None:
        torn = {name: cut_torn(self.folder / name) for name in (LOG, ANCHORS, TEXTS, KEYS)}
        anchored = max((one.stop for one in read_anchors(self.folder)), default=0)
        self._n, self._head, self._open_hashes = 0, FIRST, []
        for line in whole_lines(self.folder / LOG):
            entry = _entry_at(line, self._n, self._head, self.folder)
            self._n, self._head = self._n + 1, entry.hash
            if entry.index >= anchored:
                self._open_hashes.append(entry.hash)
        if not self._n:
            # A number of its own, so that no entry of one log fits into another.
            self.append("begun", {"log": uuid4().hex, "format": 1})
        if any(torn.values()):
            self.append("recovered", {"cut_bytes": {name: n for name, n in torn.items() if n}})


def _entry_at(line: bytes, index: int, head: str, folder: Path) -> Entry:
    try:
        entry = parse_entry(line)
    except (ValueError, HookeError) as error:
        raise _damaged(folder, index, f"{error}") from error
    if entry.index != index or entry.previous != head or entry.hash != entry.hashed():
        raise _damaged(folder, index, "Its place or its hash is wrong.")
    return entry


def _damaged(folder: Path, index: int, found: str) -> BadArtefact:
    return BadArtefact(
        f"The audit log '{folder}' does not hang together at entry {index}.",
        found,
        "Nothing is added to it: see `hooke monitor verify-log`, keep it as it is, and begin another.",
    )


def read_anchors(folder: Path) -> list[Anchor]:
    """The anchors that lie beside a log.

    Raises:
        BadArtefact: one is damaged.
    """
    return [parse_anchor(line) for line in whole_lines(folder / ANCHORS)]


def read_anchor_file(path: Path) -> list[Anchor]:
    """Anchors that were kept in a file elsewhere, one a line.

    Raises:
        BadArtefact: it cannot be read, or holds anything else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadArtefact(f"'{path}' holds no anchors.", f"{error}.", "Give a file of anchors, one a line.") from error
    return [parse_anchor(line) for line in lines if line.strip()]


def parse_anchor(line: bytes | str) -> Anchor:
    """An anchor from its JSON.

    Raises:
        BadArtefact: it is none.
    """
    try:
        return from_dict(Anchor, json.loads(line))
    except (ValueError, HookeError) as error:
        raise BadArtefact("This is no anchor of an audit log.", f"{error}.", "Give one as it was written.") from error
