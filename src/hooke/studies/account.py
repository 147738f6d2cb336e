"""What a study returns that is no tracing of a circuit: findings, what they allow, tables and pictures."""

from dataclasses import dataclass

from hooke.findings import Estimate, Finding
from hooke.studies.claim_level import ClaimLevel


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
class Series:
    """Numbers that belong together in a picture."""

    name: str
    """What they are of."""
    values: tuple[Estimate, ...]
    """In the order of the picture's places."""
    is_control: bool = False
    """Whether they stay back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """Series that are drawn together, along an axis of doses or in rows with names."""

    name: str
    """A short one, for its file."""
    title: str
    """What is read aloud."""
    caption: str
    """What stands below."""
    axis: str
    """What its axis is."""
    series: tuple[Series, ...]
    """What is drawn."""
    doses: tuple[float, ...] = ()
    """Where the values stand; either these or rows."""
    rows: tuple[str, ...] = ()
    """What the values are of, one below the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What a study found."""

    name: str
    """Of the study."""
    findings: tuple[Finding, ...]
    """In the order of the argument."""
    tables: tuple[Table, ...] = ()
    """What they rest on."""
    level: ClaimLevel | None = None
    """How much may be claimed; None where a study does not say it by rule."""
    pictures: tuple[Picture, ...] = ()
    """The same to look at."""
