"""Small pieces of Markdown that all tables are made of."""

from collections.abc import Sequence
from typing import Any

_SUBSTRATE = ("torch", "transformers", "numpy")


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], sides: str) -> str:
    """A table; `sides` says of each column whether it stands left or right."""
    rule = ["---:" if side == "r" else "---" for side in sides]
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, rule, *lines))


def version(report: dict[str, Any]) -> str:
    """The version of the tool that a report is about."""
    return next((number for name, number in report.get("versions", {}).items() if name not in _SUBSTRATE), "")


def whole(number: float | None) -> str:
    """A number without its fraction; nothing for no number."""
    return "" if number is None else f"{number:,.0f}"


def cell(value: object) -> str:
    """Any value, numbers to three digits."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
