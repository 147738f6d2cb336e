"""Keys that sign anchors: Ed25519, the private one in a file that its owner alone can read."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hooke.errors import BadArtefact, BadRequest


def new_key(path: Path) -> Ed25519PrivateKey:
    """A new key, in a file of its own.

    Raises:
        BadRequest: the file is there already, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadRequest(f"'{path}' cannot be a new key.", f"{error.strerror}.", "Choose another place.") from error
    with open(descriptor, "wb") as handle:
        handle.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file.

    Raises:
        BadArtefact: it holds no such key.
    """
    try:
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise BadArtefact(f"'{path}' holds no key.", f"{error}.", "Make one with `hooke monitor new-key`.") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise BadArtefact(f"'{path}' holds a key of another kind.", type(found).__name__, "Give one of Ed25519.")
    return found


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half, in hexadecimal: what those who verify a log must know from elsewhere."""
    return key.public_key().public_bytes_raw().hex()
