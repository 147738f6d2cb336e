"""Prompts of a file: text with one a line, or JSON lines with a prompt and maybe a name and targets of its own."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hooke.errors import BadRequest
from hooke.text.lines import json_object, read_lines


@dataclass(frozen=True, slots=True)
class NamedPrompt:
    """One prompt of a set."""

    name: str
    """Its own name, else its number in the file, so many digits that names sort."""
    text: str
    targets: tuple[str, ...] = ()
    """What to explain, where the file says so."""


def read_prompts(path: Path) -> list[NamedPrompt]:
    """The prompts of a file; empty lines are left out.

    Raises:
        BadRequest: the file cannot be read, has none or too many, or two have one name.
    """
    numbered = read_lines(path, "prompts", partial(_bad, path))
    digits = len(str(numbered[-1][0]))
    is_json = path.suffix in (".jsonl", ".ndjson")
    found = [
        _of_json(path, at, line, f"{at:0{digits}}") if is_json else NamedPrompt(f"{at:0{digits}}", line)
        for at, line in numbered
    ]
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise _bad(path, f"Two prompts are called '{twice:.80}'.")
    return found


def _of_json(path: Path, at: int, line: str, number: str) -> NamedPrompt:
    data = json_object(at, line, partial(_bad, path))
    targets = data.get("targets", [])
    targets = [targets] if isinstance(targets, str) else targets
    text, name = data.get("prompt"), data.get("name", number)
    if not (isinstance(text, str) and text and isinstance(name, str) and isinstance(targets, list)):
        raise _bad(path, f"Line {at} is {line[:60]!r}.")
    if not all(isinstance(one, str) for one in targets):
        raise _bad(path, f"The targets of line {at} are {str(targets)[:60]!r}.")
    return NamedPrompt(name, text, tuple(targets))


def _bad(path: Path, found: str) -> BadRequest:
    return BadRequest(
        f"'{path}' holds no prompts to use.",
        found,
        'Give text with a prompt a line, or .jsonl with lines such as {"prompt": "...", "name": "...", "targets": []}.',
    )
