"""Whether an audit log hangs together: every change, gap, swap and repetition, and what a chain cannot show."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hooke.errors import HookeError, UnknownName
from hooke.monitors.append_file import torn_bytes, whole_lines
from hooke.monitors.audit_chain import FIRST, Anchor, Entry, merkle_root, parse_entry
from hooke.monitors.audit_log import LOG, read_anchors
from hooke.monitors.sealed_texts import opened_texts, sealed_digests

Kind = Literal["changed", "gap", "reordered", "repeated", "unbound", "truncated", "rewritten", "signature", "text"]

LIMITS = (
    "A chain shows that entries were not altered, removed or swapped after they were written. It does not show that "
    "what they say is true, nor that everything was logged.",
    "Removing the newest entries leaves a chain that hangs together: only an anchor that is kept elsewhere shows it.",
    "Whoever can write all the files can write all of them anew: only an anchor that is kept elsewhere, and a public "
    "key that is known from elsewhere, show it.",
    "Times are those of the machine's clock, which can be wrong or set back; the order is that of the entries.",
    "An erased text cannot be read with what is here; backups of its key are not within reach.",
)
_MOST = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong."""

    kind: Kind
    """changed: an entry, or its line, is not what was written; gap: entries are missing; reordered: an entry stands
    behind later ones; repeated: it stands there twice; unbound: it does not follow from the one before; truncated: an
    anchor has seen more entries; rewritten: an anchor has seen other ones; signature: an anchor's signature is not
    right; text: a sealed text was changed or taken away."""
    line: int
    """Line of the log, from 1; 0 where it is about no line."""
    index: int | None
    """Place of the entry, where that is known."""
    told: str
    """What was found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What was found of a log."""

    n: int
    """Lines of entries."""
    head: str
    """Hash of the last entry."""
    problems: tuple[Problem, ...]
    """What is wrong, in the order of the file; the first fifty."""
    n_anchors: int
    """Anchors that were held against it."""
    n_signed: int
    """Of these, with a right signature."""
    n_anchored: int
    """Entries that the last of them has seen."""
    key_is_given: bool
    """Whether signatures were held against a key that the caller knows, and not only against the anchors' own."""
    clock_back: tuple[int, ...]
    """Entries whose time is before that of the entry before them."""
    torn_bytes: int
    """Bytes behind the last whole line: what a killed writer was writing. No entry of it was acknowledged."""
    n_texts: int
    """Sealed texts that entries name."""
    n_erased: int
    """Of these, those that were erased."""
    limits: tuple[str, ...] = LIMITS
    """What this does not show."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def first_broken(self) -> int | None:
        """Place of the first entry that is wrong, or that is missing."""
        return next((one.index for one in self.problems if one.index is not None), None)


@dataclass
class _Walk:
    """How far a log was read."""

    problems: list[Problem] = field(default_factory=list)
    entries: dict[int, str] = field(default_factory=dict)
    """Hash of each entry, by its place."""
    records: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Place and digest of each text that is named."""
    erased: set[str] = field(default_factory=set)
    clock_back: list[int] = field(default_factory=list)
    expected: int = 0
    head: str = FIRST
    at: str = ""
    n: int = 0

    def add(self, kind: Kind, line: int, index: int | None, told: str) -> None:
        """One more thing that is wrong."""
        self.problems.append(Problem(kind=kind, line=line, index=index, told=told))


def verify(folder: Path, *, anchors: Sequence[Anchor] = (), key: str | None = None) -> Verified:
    """Hold a log against itself, against the anchors beside it, and against anchors that were kept elsewhere.

    Args:
        anchors: those that were kept elsewhere.
        key: the public key, in hexadecimal, that anchors must be signed with.

    Raises:
        UnknownName: there is no log.
        BadArtefact: an anchor or a sealed text cannot be read.
    """
    if not (folder / LOG).is_file():
        raise UnknownName(f"There is no audit log in '{folder}'.", f"It has no {LOG}.", "Give the log's folder.")
    walk = _Walk()
    for number, line in enumerate(whole_lines(folder / LOG), 1):
        _look_at(walk, number, line)
    known = [*read_anchors(folder), *anchors]
    hashes = [walk.entries.get(at, "") for at in range(walk.expected)]
    n_signed = sum(_check_anchor(walk, one, hashes, key) for one in known)
    _check_texts(walk, sealed_digests(folder))
    return Verified(
        n=walk.n,
        head=walk.head,
        problems=tuple(walk.problems[:_MOST]),
        n_anchors=len(known),
        n_signed=n_signed,
        n_anchored=max((one.stop for one in known), default=0),
        key_is_given=key is not None,
        clock_back=tuple(walk.clock_back),
        torn_bytes=torn_bytes(folder / LOG),
        n_texts=len(walk.records),
        n_erased=len(walk.erased & set(walk.records)),
    )


def _look_at(walk: _Walk, number: int, line: bytes) -> None:
    walk.n += 1
    try:
        entry = parse_entry(line)
    except (ValueError, HookeError) as error:
        walk.add("changed", number, walk.expected, f"The line is no entry: {error}")
        # What follows is bound to this entry's hash, which is not known any more.
        walk.expected, walk.head = walk.expected + 1, ""
        return
    if entry.hash != entry.hashed():
        walk.add("changed", number, entry.index, "What the entry says does not give its hash.")
    if entry.index < walk.expected:
        is_same = walk.entries.get(entry.index) == entry.hash
        kind, told = ("repeated", "stands here again") if is_same else ("reordered", "stands behind later ones")
        walk.add(kind, number, entry.index, f"Entry {entry.index} {told}.")
        walk.entries.setdefault(entry.index, entry.hash)
        return
    if entry.index > walk.expected:
        walk.add("gap", number, walk.expected, f"Entries {walk.expected} to {entry.index - 1} are missing here.")
    elif walk.head and entry.previous != walk.head:
        walk.add("unbound", number, entry.index, "It does not follow from the entry before it.")
    if walk.at and entry.at < walk.at:
        walk.clock_back.append(entry.index)
    _take_in(walk, entry)


def _take_in(walk: _Walk, entry: Entry) -> None:
    walk.entries[entry.index] = entry.hash
    walk.expected, walk.head, walk.at = entry.index + 1, entry.hash, entry.at
    if entry.text is not None:
        walk.records[entry.text.record] = (entry.index, entry.text.digest)
    if entry.event == "erased":
        walk.erased.add(str(entry.body.get("record")))


def _check_anchor(walk: _Walk, anchor: Anchor, hashes: Sequence[str], key: str | None) -> bool:
    """Whether it is signed, and rightly."""
    if len(hashes) < anchor.stop:
        told = f"An anchor of {anchor.at} has seen {anchor.stop} entries, the log has {len(hashes)}."
        walk.add("truncated", 0, len(hashes), told)
    elif hashes[anchor.stop - 1] != anchor.head or _root(hashes[anchor.start : anchor.stop]) != anchor.root:
        told = f"An anchor of {anchor.at} has seen other entries from {anchor.start} to {anchor.stop - 1}."
        walk.add("rewritten", 0, anchor.start, told)
    if not anchor.key and key is None:
        return False
    if anchor.key != (key or anchor.key) or not _is_signed(anchor):
        walk.add("signature", 0, None, f"The anchor of {anchor.at} is not signed with the key that it should be.")
        return False
    return True


def _root(hashes: Sequence[str]) -> str:
    return merkle_root(hashes) if all(hashes) else ""


def _is_signed(anchor: Anchor) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(anchor.key))
        public.verify(bytes.fromhex(anchor.signature), anchor.signed_bytes())
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_texts(walk: _Walk, found: dict[str, str]) -> None:
    for record, (index, digest) in walk.records.items():
        if found.get(record) != digest:
            told = "was changed" if record in found else "is not there"
            walk.add("text", 0, index, f"The sealed text of record {record} {told}.")


def exported(folder: Path) -> list[dict[str, Any]]:
    """All entries with the texts that can still be read, as plain data.

    Raises:
        BadArtefact: a line is no entry, or a sealed text was changed; see `verify` for what is wrong.
    """
    texts = opened_texts(folder)
    found = []
    for line in whole_lines(folder / LOG):
        entry = json.loads(line)
        record = (entry.get("text") or {}).get("record")
        found.append(entry | {"opened_text": texts.get(record) if record else None})
    return found
