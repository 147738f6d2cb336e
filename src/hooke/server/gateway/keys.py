"""Who may ask: keys kept as hashes in one file of the lab, each with what it may do."""

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from hooke.configs import from_dict, to_dict
from hooke.errors import BadArtefact, BadConfig, BadRequest, UnknownName, did_you_mean
from hooke.lab import Lab, read_json, staged, writing

PREFIX = "hk-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A key, without its secret."""

    name: str
    """What people call it; it stands in logs in place of the secret."""
    hash: str
    """SHA-256 of the secret. It is random and long, so that no slower hash is needed."""
    made: str
    """When."""
    monitors: tuple[str, ...] = ("*",)
    """Monitors that it may ask for beside those that watch everything; * for all."""
    steering: tuple[str, ...] = ()
    """Recipes that it may steer by; * for all."""
    max_strength: float = 1.0
    """The largest strength that it may ask for, within the recipe's own bounds."""
    per_minute: int = 60
    """Requests a minute."""
    at_once: int = 8
    """Requests at the same time."""
    hides_verdicts: bool = False
    """Whether answers to it say nothing of what monitors found."""
    is_operator: bool = False
    """Whether it may read everybody's events and the metrics."""

    def __post_init__(self) -> None:
        if self.per_minute < 1 or self.at_once < 1 or not self.max_strength >= 0:
            raise BadConfig(
                f"The limits of the key '{self.name}' are impossible.",
                f"{self.per_minute} a minute, {self.at_once} at once, strength {self.max_strength}.",
                "Give at least 1 request, and a strength of at least 0.",
            )

    def may_monitor(self, name: str) -> bool:
        """Whether it may ask for this monitor."""
        return bool({name, "*"} & set(self.monitors))

    def may_steer(self, name: str) -> bool:
        """Whether it may steer by this recipe."""
        return bool({name, "*"} & set(self.steering))


def place_of(lab: Lab) -> Path:
    """Where a lab's keys are kept."""
    return lab.root / "gateway-keys.json"


def read_keys(lab: Lab) -> tuple[Key, ...]:
    """The keys of a lab.

    Raises:
        BadArtefact: their file is damaged.
    """
    path = place_of(lab)
    if not path.is_file():
        return ()
    data = read_json(path)
    try:
        return tuple(from_dict(Key, one) for one in data["keys"])
    except (KeyError, TypeError, BadConfig) as error:
        raise BadArtefact(f"'{path}' holds no keys.", f"{error}.", "Remove it and add the keys again.") from error


def add_key(lab: Lab, name: str, **settings: object) -> str:
    """Make a key; its secret is returned here, and kept nowhere.

    Raises:
        BadRequest: the name is no plain name, or taken.
        BadConfig: its limits are impossible.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest(f"'{name:.80}' is no name for a key.", "", "Use letters, digits, '.', '_' and '-'.")
    secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    key = Key(name=name, hash=_hash(secret), made=datetime.now(UTC).isoformat(timespec="seconds"), **settings)  # pyright: ignore[reportArgumentType]
    with writing(place_of(lab)):
        keys = read_keys(lab)
        if any(one.name == name for one in keys):
            raise BadRequest(f"There is a key '{name}' already.", "", "Remove it first, or choose another name.")
        _write(lab, (*keys, key))
    return secret


def remove_key(lab: Lab, name: str) -> None:
    """Take a key away; a gateway that runs knows it no more from its next request on.

    Raises:
        UnknownName: there is none of this name.
    """
    with writing(place_of(lab)):
        keys = read_keys(lab)
        names = [one.name for one in keys]
        if name not in names:
            raise UnknownName(f"No key '{name:.80}'.", did_you_mean(name, names), "See `hooke gateway key list`.")
        _write(lab, tuple(one for one in keys if one.name != name))


class Ring:
    """The keys of a lab as they are now."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._stamp = lab, (0, 0, 0)
        self._keys: tuple[Key, ...] = ()

    def find(self, secret: str) -> Key | None:
        """The key of a secret; None for a wrong one. Every key is compared, in the same time whatever is given.

        Raises:
            BadArtefact: the file of keys is damaged: nobody is let in.
        """
        self._renew()
        given, found = _hash(secret), None
        for key in self._keys:
            if hmac.compare_digest(given, key.hash):
                found = key
        return found

    def _renew(self) -> None:
        try:
            status = place_of(self._lab).stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = (0, 0, 0)
        if stamp != self._stamp:
            self._keys = ()
            self._keys = read_keys(self._lab)
            self._stamp = stamp


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", errors="replace")).hexdigest()


def _write(lab: Lab, keys: tuple[Key, ...]) -> None:
    import json

    with staged(place_of(lab)) as aside:
        text = json.dumps({"keys": [to_dict(one) for one in keys]}, indent=1) + "\n"
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
