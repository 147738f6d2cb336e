"""What a study returns that is no tracing of a circuit: findings, and tables behind them."""

from dataclasses import dataclass

from hooke.findings import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Numbers that findings were chosen from."""

    title: str
    """What it holds."""
    heads: tuple[str, ...]
    """Of its columns; a trailing > stands a column to the right."""
    rows: tuple[tuple[str, ...], ...]
    """As they are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What a study found."""

    name: str
    """Of the study."""
    findings: tuple[Finding, ...]
    """In the order of the argument."""
    tables: tuple[Table, ...] = ()
    """What they rest on."""
