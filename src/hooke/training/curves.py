"""Curves of a training run from its log, also while it is written, thinned out without losing their extremes."""

import json
import math
from pathlib import Path

Line = dict[str, float | int | None]


def read_log(path: Path) -> list[Line]:
    """The log's lines, a value that is not finite as None; a last line still being written is left out.

    A line that is no table of numbers is skipped: a crash may leave one behind.
    """
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            line = json.loads(text) if text.endswith("\n") else None
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("tokens"), int):
            lines.append({key: _finite(value) for key, value in line.items() if isinstance(value, int | float)})
    return lines


def decimated(lines: list[Line], points: int) -> dict[str, tuple[list[int], list[float | int | None]]]:
    """Each metric as (tokens, values) with at most `points` points: of each stretch its smallest and largest value."""
    names = dict.fromkeys(key for line in lines for key in line if key != "tokens")
    return {
        name: _decimated([(int(line["tokens"] or 0), line[name]) for line in lines if name in line], points)
        for name in names
    }


def _decimated(curve: list[tuple[int, float | int | None]], points: int) -> tuple[list[int], list[float | int | None]]:
    if len(curve) > points:
        n_stretches = points // 2
        bounds = [place * len(curve) // n_stretches for place in range(n_stretches + 1)]
        curve = [one for begin, end in zip(bounds, bounds[1:], strict=False) for one in _extremes(curve[begin:end])]
    return [tokens for tokens, _ in curve], [value for _, value in curve]


def _extremes(stretch: list[tuple[int, float | int | None]]) -> list[tuple[int, float | int | None]]:
    known = [place for place, (_, value) in enumerate(stretch) if value is not None]
    if not known:
        return stretch[:1]
    low = min(known, key=lambda place: stretch[place][1] or 0.0)
    high = max(known, key=lambda place: stretch[place][1] or 0.0)
    return [stretch[place] for place in sorted({low, high})]


def _finite(value: float | int) -> float | int | None:
    return value if math.isfinite(value) else None
