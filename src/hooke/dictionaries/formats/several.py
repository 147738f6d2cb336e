"""Folders that hold several dictionaries of a format, from which one has to be chosen."""

import re
from collections.abc import Collection
from pathlib import Path

from hooke.errors import BadRequest

_DEPTH = 3


def folders_with(folder: Path, *files: str) -> dict[str, Path]:
    """The folders inside a folder, not deep, that hold all of these files: by path from there, layer 2 before 10."""
    found: dict[str, Path] = {}
    for depth in range(1, _DEPTH + 1):
        for path in folder.glob("/".join([*["*"] * depth, files[0]])):
            if all((path.parent / name).is_file() for name in files):
                found[path.parent.relative_to(folder).as_posix()] = path.parent
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def ask_for_one(folder: Path, names: Collection[str]) -> BadRequest:
    """The refusal of a folder that has all of these."""
    told = ", ".join([*names][:24]) + (f" and {len(names) - 24} more" if len(names) > 24 else "")
    return BadRequest(
        f"'{folder}' has {len(names)} dictionaries.",
        f"They are in: {told}.",
        f"Give the folder of one, such as {folder / next(iter(names))}.",
    )


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
