"""Frozen dataclasses to and from plain data. Unknown keys are refused at every depth. No torch here."""

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from hooke.errors import BadConfig

T = TypeVar("T")


def to_dict(config: Any) -> dict[str, Any]:
    """The config as plain JSON data (tuples become lists)."""
    return TypeAdapter(type(config)).dump_python(config, mode="json")


def from_dict(cls: type[T], data: dict[str, Any]) -> T:
    """An instance of a dataclass from plain data.

    Raises:
        BadConfig: a key is unknown, missing, of the wrong type, or the dataclass itself refuses the values.
    """
    try:
        return TypeAdapter(cls).validate_python(data, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or cls.__name__
        names = [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
        raise BadConfig(
            f"The setting '{where}' of {cls.__name__} was not accepted.",
            f"{first['msg']} (found {first.get('input')!r:.80}).",
            f"Known settings: {', '.join(names)}." if names else "",
        ) from error


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        BadConfig: the file is missing or does not parse.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"'{path}' could not be read as TOML.", f"{error}.", "Mend or remove the file.") from error


def content_hash(value: Any) -> str:
    """A short stable hash (16 hex digits of SHA-256) of plain JSON data or of a dataclass."""
    data = to_dict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
