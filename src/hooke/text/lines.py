"""Files with one thing a line: read whole once their size is known, empty lines left out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hooke.errors import BadRequest

_MOST = 10_000
_MAX_BYTES = 64_000_000


def read_lines(path: Path, what: str, refuse: Callable[[str], BadRequest]) -> list[tuple[int, str]]:
    """The lines of a file with their numbers, from 1.

    Args:
        what: what a line is, in the plural.
        refuse: the error for what was found.

    Raises:
        BadRequest: `refuse`'s, where the file cannot be read, or has no lines or too many.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise refuse(f"It has {path.stat().st_size:,} bytes.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise refuse(f"{error}.") from error
    numbered = [(at, line) for at, line in enumerate(lines, 1) if line.strip()]
    if not 0 < len(numbered) <= _MOST:
        raise refuse(f"It has {len(numbered):,} {what}.")
    return numbered


def json_object(at: int, line: str, refuse: Callable[[str], BadRequest]) -> dict[str, Any]:
    """What a line of JSON holds.

    Raises:
        BadRequest: `refuse`'s, where it is no JSON or no object.
    """
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise refuse(f"Line {at}: {error}.") from error
    if not isinstance(data, dict):
        raise refuse(f"Line {at} is {line[:60]!r}.")
    return data
