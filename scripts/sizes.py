"""Refuse source files over 600 lines and functions over 80: `python scripts/sizes.py`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80
FOLDERS = ("src", "scripts", "tests", "bench")
ROOT = Path(__file__).resolve().parent.parent


def oversized(path: Path) -> Iterator[str]:
    """One line for each thing in a source file that has grown too large."""
    text = path.read_text(encoding="utf-8")
    n_lines = text.count("\n")
    if n_lines > MAX_FILE_LINES:
        yield f"{path}: {n_lines} lines (at most {MAX_FILE_LINES})"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno is None:
            continue
        length = node.end_lineno - node.lineno + 1
        if length > MAX_FUNCTION_LINES:
            yield f"{path}:{node.lineno} {node.name}: {length} lines (at most {MAX_FUNCTION_LINES})"


def sources(root: Path = ROOT) -> Iterator[Path]:
    """Every Python file of the project, without environments."""
    for folder in FOLDERS:
        yield from (path for path in sorted((root / folder).rglob("*.py")) if not _is_hidden(path.relative_to(root)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


if __name__ == "__main__":
    found = [line for path in sources() for line in oversized(path)]
    print("\n".join(found) if found else f"sizes: {sum(1 for _ in sources())} files, none too large")
    sys.exit(1 if found else 0)
