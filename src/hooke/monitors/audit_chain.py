"""What an entry of an audit log is, and how entries hang together: canonical bytes, hashes, Merkle roots, anchors.

hash of an entry = SHA-256(hash of the one before, as bytes | canonical JSON of the entry without its hash)
root of a block  = Merkle tree over its entries' hashes; leaves and nodes are told apart by a first byte (RFC 6962)
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hooke.configs import from_dict

FIRST = "0" * 64
"""What the first entry has in the place of the hash before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """A text that an entry is about, kept outside the chain so that it can be erased."""

    record: str
    """Under which the text and its key are found."""
    digest: str
    """SHA-256 of the sealed text. Of the text itself it would let anyone try guesses after the erasure."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a log."""

    index: int
    """Its place, from 0."""
    at: str
    """Time by the clock of the machine, UTC. Places order entries, times do not: a clock can be set back."""
    actor: str
    """Who did it: a monitor, a server, a person's key."""
    event: str
    """What happened, in a word."""
    body: dict[str, Any]
    """What there is to say of it, without anybody's text."""
    text: Sealed | None
    """The text that it is about, where one is kept."""
    previous: str
    """Hash of the entry before."""
    hash: str = ""
    """Of this entry."""

    def hashed(self) -> str:
        """The hash that it ought to have."""
        data = asdict(self)
        del data["hash"]
        return hashlib.sha256(bytes.fromhex(self.previous) + canonical(data)).hexdigest()

    def line(self) -> bytes:
        """Its line in the file."""
        return canonical(asdict(self)) + b"\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """The state of a log after some entries, signed: what is kept elsewhere shows what the chain alone cannot."""

    start: int
    """First entry of the block."""
    stop: int
    """Entries of the log when it was made."""
    head: str
    """Hash of the last of them."""
    root: str
    """Merkle root of the block's entries."""
    at: str
    """Time by the clock of the machine, UTC."""
    key: str = ""
    """The public key, Ed25519, in hexadecimal; empty where it is not signed."""
    signature: str = ""
    """Of all of the above."""

    def signed_bytes(self) -> bytes:
        """What is signed."""
        data = asdict(self)
        del data["signature"]
        return canonical(data)


def canonical(data: Any) -> bytes:
    """The one way to write plain data as bytes.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def parse_entry(line: bytes) -> Entry:
    """The entry of a line.

    Raises:
        ValueError, BadConfig: it is none, or not written as entries are.
    """
    entry = from_dict(Entry, json.loads(line))
    if entry.line() != line:
        raise ValueError("it is not in canonical form")
    return entry


def merkle_root(hashes: Sequence[str]) -> str:
    """The root over hashes of entries, in their order; an odd one out goes up as it is."""
    level = [hashlib.sha256(b"\0" + bytes.fromhex(one)).digest() for one in hashes]
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\1" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0].hex() if level else FIRST
