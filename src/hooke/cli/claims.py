"""Findings in a terminal: each number with its interval, beside its control."""

from collections.abc import Sequence

from rich.console import RenderableType

from hooke.cli.terminal import note, table
from hooke.findings import Finding, Interval
from hooke.pages.numerals import number


def claims(findings: Sequence[Finding], *, prefix: str = "") -> tuple[RenderableType, ...]:
    """A table of claims and what their control is; a prefix that all claims share is left out."""
    controls = sorted({one.control_name for one in findings if one.control_name})
    rows = [
        (
            one.claim.removeprefix(prefix),
            number(one.value) + one.unit,
            _interval(one.interval),
            number(one.control) + (one.unit if one.control is not None else ""),
            _interval(one.control_interval),
            number(one.n),
        )
        for one in findings
    ]
    return (
        table(("", "value>", "95 % interval", "control>", "95 % interval", "n>"), rows),
        *(note(f"control: {name}") for name in controls),
    )


def _interval(interval: Interval | None) -> str:
    return f"{number(interval[0])} to {number(interval[1])}" if interval else ""
