"""Findings as a part of a page: each number with its interval beside its control."""

from collections.abc import Sequence

from hooke.findings import Finding, Interval
from hooke.pages.numerals import number
from hooke.pages.page import Section, fragment


def findings_section(findings: Sequence[Finding], about: str) -> Section:
    """The part, with a note on what its brackets are."""
    rows = [
        (
            one.claim,
            _value(one.value, one.interval),
            _value(one.control, one.control_interval),
            one.control_name,
            one.n,
            one.method,
        )
        for one in findings
    ]
    return Section(name="findings", title="What was found", body=fragment("findings.html", rows=rows, about=about))


def _value(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return ""
    return f"{number(value)} [{number(interval[0])}, {number(interval[1])}]" if interval else number(value)
