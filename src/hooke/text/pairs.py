"""Pairs of prompts that differ in one thing, with the answer to each: what causal methods compare.

A file of pairs has JSON lines such as

    {"clean": "She lives in France and speaks", "corrupted": "She lives in Italy and speaks",
     "answers": [" French"], "wrong": [" Italian"]}          (on one line)

`answers` are right after the clean prompt, `wrong` after the corrupted one. A name and a group (what template or topic
a pair is of, so that intervals and splits can go by it) may stand beside them.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from hooke.errors import BadRequest, did_you_mean
from hooke.text.lines import json_object, read_lines


@dataclass(frozen=True, kw_only=True, slots=True)
class PromptPair:
    """A prompt, the same with one thing changed, and what comes next after each."""

    clean: str
    """The prompt whose answer is asked for."""
    corrupted: str
    """The same with what decides the answer changed; as many tokens."""
    answers: tuple[str, ...]
    """What is right after the clean prompt, each the text of one token."""
    wrong: tuple[str, ...]
    """What it is compared with: mostly what is right after the corrupted prompt."""
    name: str = ""
    """Its own name, else its number in the set."""
    group: str = ""
    """What it has in common with some others, e.g. its template."""


def read_pairs(path: Path) -> list[PromptPair]:
    """The pairs of a file; empty lines are left out.

    Raises:
        BadRequest: the file cannot be read, has none or too many, or a line is not a pair.
    """
    return [_of_json(path, at, line) for at, line in read_lines(path, "pairs", partial(_bad, path))]


def pairs_to_jsonl(pairs: Iterable[PromptPair]) -> str:
    """The pairs as `read_pairs` reads them."""
    return "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)


def _of_json(path: Path, at: int, line: str) -> PromptPair:
    data = json_object(at, line, partial(_bad, path))
    known = [item.name for item in fields(PromptPair)]
    for key in data:
        if key not in known:
            raise _bad(path, f"Line {at} has '{key:.40}'. {did_you_mean(key, known)}")
    found: dict[str, Any] = {}
    for key in known:
        value = data.get(key, "" if key in ("name", "group") else None)
        if key in ("answers", "wrong"):
            value = [value] if isinstance(value, str) else value
            if not (isinstance(value, list) and value and all(isinstance(one, str) and one for one in value)):
                raise _bad(path, f"Line {at} lacks '{key}'.")
            value = tuple(value)
        elif not isinstance(value, str) or (key in ("clean", "corrupted") and not value):
            raise _bad(path, f"Line {at} lacks '{key}'.")
        found[key] = value
    return PromptPair(**found)


def _bad(path: Path, found: str) -> BadRequest:
    return BadRequest(
        f"'{path}' holds no pairs to use.",
        found,
        'Give lines such as {"clean": "...", "corrupted": "...", "answers": [" Paris"], "wrong": [" Tokyo"]}.',
    )
