"""Labelled texts from a file of one's own: JSON lines, each a text with its label and its group.

    {"text": "What a view!", "label": true, "group": "hotel", "style": "chat"}

`style`, `language` and `is_near` may be left out. Texts of one group are held out together, so a group is whatever
texts have in common that another text of the concept would not have.
"""

import json
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from hooke.errors import BadRequest, did_you_mean
from hooke.text.concepts.labelled import Labelled
from hooke.text.lines import read_lines

_TYPES: dict[str, type] = {
    "text": str, "label": bool, "group": str, "style": str, "language": str, "is_near": bool,
}  # fmt: skip
_LEFT_OUT: dict[str, Any] = {"style": "", "language": "en", "is_near": False}


def read_labelled(path: Path) -> list[Labelled]:
    """The labelled texts of a file; empty lines are left out.

    Raises:
        BadRequest: the file cannot be read, has none or too many, or a line is no labelled text.
    """
    found = [_of_json(path, at, line) for at, line in read_lines(path, "texts", partial(_bad, path))]
    if len({one.label for one in found}) < 2:
        raise _bad(path, f"All of its {len(found):,} texts have the label {str(found[0].label).lower()}.")
    return found


def _of_json(path: Path, at: int, line: str) -> Labelled:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"Line {at}: {error}.") from error
    if not isinstance(data, dict):
        raise _bad(path, f"Line {at} is {line[:60]!r}.")
    known = [item.name for item in fields(Labelled)]
    for key in data:
        if key not in known:
            raise _bad(path, f"Line {at} has '{key:.40}'. {did_you_mean(key, known)}".rstrip())
    found = _LEFT_OUT | data
    for key, kind in _TYPES.items():
        if not isinstance(found.get(key), kind) or (key in ("text", "group") and not found[key].strip()):
            raise _bad(path, f"Line {at} has {str(found.get(key))[:40]!r} as its '{key}'.")
    return Labelled(**found)


def _bad(path: Path, found: str) -> BadRequest:
    return BadRequest(
        f"'{path}' holds no labelled texts to use.",
        found,
        'Give lines such as {"text": "...", "label": true, "group": "...", "style": "..."}, with both labels.',
    )
