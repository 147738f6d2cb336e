"""Texts that a log is about, outside its chain: each sealed with a key of its own, and erased by losing that key.

`texts.jsonl` is only ever appended to. `keys.jsonl` is written anew without a key when its text is erased; copies of
the old file, in backups or on blocks that the disk has not used again, are beyond what this can reach.
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from uuid import uuid4

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hooke.errors import BadArtefact, UnknownName
from hooke.lab import staged
from hooke.monitors.append_file import append_line, whole_lines
from hooke.monitors.audit_chain import Sealed, canonical

TEXTS, KEYS = "texts.jsonl", "keys.jsonl"


def seal(folder: Path, text: str, *, sync: bool) -> Sealed:
    """Keep a text, sealed with a new key.

    Raises:
        OutOfSpace: the disk is full.
    """
    record, key, nonce = uuid4().hex, AESGCM.generate_key(bit_length=256), os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), record.encode())
    append_line(folder / KEYS, _line(record, "key", key), sync=sync, mode=0o600)
    append_line(folder / TEXTS, _line(record, "sealed", sealed), sync=sync, mode=0o600)
    return Sealed(record=record, digest=hashlib.sha256(sealed).hexdigest())


def sealed_digests(folder: Path) -> dict[str, str]:
    """The digest of each sealed text that there is, by record."""
    return {record: hashlib.sha256(sealed).hexdigest() for record, sealed in _read(folder / TEXTS, "sealed").items()}


def opened_texts(folder: Path) -> dict[str, str]:
    """The texts whose keys are there, by record.

    Raises:
        BadArtefact: a text was changed.
    """
    keys, found = _read(folder / KEYS, "key"), {}
    for record, sealed in _read(folder / TEXTS, "sealed").items():
        if record not in keys:
            continue
        try:
            found[record] = AESGCM(keys[record]).decrypt(sealed[:12], sealed[12:], record.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise BadArtefact(f"The text of record {record} was changed.", "", "Verify the log.") from error
    return found


def lose_key(folder: Path, record: str) -> None:
    """Erase a text: its key is lost, and what is sealed with it cannot be read again.

    Raises:
        UnknownName: there is no key of this record.
        OutOfSpace: the disk is full.
    """
    keys = _read(folder / KEYS, "key")
    if record not in keys:
        raise UnknownName(f"No text of record '{record}' can be read.", "It is unknown, or was erased.", "")
    del keys[record]
    with staged(folder / KEYS) as aside:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "wb") as handle:
            handle.writelines(_line(one, "key", key) for one, key in keys.items())
            handle.flush()
            os.fsync(handle.fileno())


def _line(record: str, name: str, value: bytes) -> bytes:
    return canonical({"record": record, name: base64.b64encode(value).decode()}) + b"\n"


def _read(path: Path, name: str) -> dict[str, bytes]:
    found = {}
    for at, line in enumerate(whole_lines(path), 1):
        try:
            data = json.loads(line)
            found[str(data["record"])] = base64.b64decode(data[name], validate=True)
        except (ValueError, KeyError, TypeError) as error:
            raise BadArtefact(f"Line {at} of '{path}' is damaged.", f"{error!r}.", "Fetch a copy of it.") from error
    return found
