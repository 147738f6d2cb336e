"""The JSON that other tools write beside their weights: an object of known size, its values of the types asked for."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from hooke.errors import BadArtefact

_MAX_BYTES = 4_000_000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file says. A setting that is absent or null has the default that is asked for.

    Raises:
        BadArtefact: from every method, where a value is of another type.
    """

    path: Path
    """The file."""
    data: dict[str, Any]
    """Its object."""

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        return self._get(key, str, default)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return self._get(key, bool, default)

    def whole(self, key: str) -> int | None:
        """A whole number."""
        found = self.number(key)
        if found is not None and not found.is_integer():
            raise self.refused(key, "a whole number")
        return None if found is None else int(found)

    def number(self, key: str) -> float | None:
        """A finite number."""
        found = self.data.get(key)
        if found is None:
            return None
        try:
            number = None if isinstance(found, bool) or not isinstance(found, int | float) else float(found)
        except OverflowError:
            number = None
        if number is None or not isfinite(number):
            raise self.refused(key, "a finite number")
        return number

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        found = self._get(key, list, [])
        if not all(isinstance(one, str) for one in found):
            raise self.refused(key, "a list of strings")
        return tuple(found)

    def wholes(self, key: str) -> tuple[int, ...] | None:
        """A list of whole numbers."""
        if self.data.get(key) is None:
            return None
        found = self._get(key, list, [])
        if not all(type(one) is int for one in found):
            raise self.refused(key, "a list of whole numbers")
        return tuple(found)

    def table(self, key: str) -> "Settings":
        """An object inside this one."""
        return Settings(self.path, self._get(key, dict, {}))

    def refused(self, key: str, wanted: str) -> BadArtefact:
        """The refusal of a value."""
        return BadArtefact(
            f"'{self.path}' could not be read.",
            f"Its '{key}' is {self.data.get(key)!r:.80}.",
            f"It should be {wanted}: fetch a fresh copy.",
        )

    def _get(self, key: str, kind: type[_T], default: _T) -> _T:
        found = self.data.get(key)
        if found is None:
            return default
        if not isinstance(found, kind):
            raise self.refused(key, {str: "a string", bool: "true or false", list: "a list"}.get(kind, "an object"))
        return found


def read_settings(path: Path) -> Settings:
    """The object in a JSON file.

    Raises:
        BadArtefact: the file is missing, of absurd size, or holds no JSON object.
    """
    try:
        size = path.stat().st_size
        found = json.loads(path.read_text(encoding="utf-8")) if size <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise _bad(path, f"{error}.") from error
    if not isinstance(found, dict):
        raise _bad(path, f"It has {size:,} bytes." if size > _MAX_BYTES else f"It holds {found!r:.60}, and no object.")
    return Settings(path, found)


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read.", found, "Fetch a fresh copy.")
