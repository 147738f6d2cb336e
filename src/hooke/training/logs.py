"""The log of a training under way: a line for each step that is told of, cut back where a run goes on."""

import json
from pathlib import Path
from typing import Any


def log_line(path: Path, line: dict[str, int | float]) -> None:
    """Add a line."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line) + "\n")


def cut_log(path: Path, tokens: int) -> None:
    """Drop what was logged after the checkpoint; those steps are made again."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(line for line in lines if json.loads(line)["tokens"] <= tokens), encoding="utf-8")


def last_line(path: Path) -> dict[str, Any]:
    """The last line."""
    return json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
