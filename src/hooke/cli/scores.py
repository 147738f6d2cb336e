"""Scores of a graph, as verbs print them: each beside its null and its corrected form."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from hooke.cli.terminal import table

_SCORES = ("replacement", "completeness")


def scores(measures: Mapping[str, Any]) -> dict[str, Any]:
    """By the names that scripts look for."""
    found: dict[str, Any] = {}
    for score in _SCORES:
        found[f"{score}_score"] = measures[score]
        found[f"{score}_score_null"] = measures[f"{score}_null"]
        found[f"{score}_score_corrected"] = measures[f"{score}_corrected"]
        found[f"{score}_score_corrected_null"] = measures[f"{score}_corrected_null"]
    return found


def score_table(measures: Mapping[str, Any]) -> Table:
    """The same for people."""
    forms = ("", "_null", "_corrected", "_corrected_null")
    rows = [(score, *(f"{measures[f'{score}{form}']:.3f}" for form in forms)) for score in _SCORES]
    return table(("score", "value>", "without features>", "corrected>", "without features>"), rows)
