"""Numbers with their intervals in rows, one below the other, each beside another series of the same rows."""

from collections.abc import Sequence

from markupsafe import Markup

from hooke.pages.charts import mark, round_ticks, svg
from hooke.pages.numerals import number
from hooke.studies.account import Series

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 520.0, 245.0, 14.0, 34.0, 26.0, 40.0


def interval_chart(rows: Sequence[str], series: Sequence[Series], *, title: str, axis: str) -> Markup:
    """A dot for each value and a line for its interval; the dotted line is zero."""
    ends = [end for one in series for value in one.values for end in value.interval]
    ticks = round_ticks(min(0.0, *ends), max(0.0, *ends))
    low, span = ticks[0], ticks[-1] - ticks[0]
    floor_at = _TOP + _ROW * len(rows)

    def x(value: float) -> float:
        return _LEFT + (value - low) / span * (_WIDTH - _RIGHT - _LEFT)

    parts = [
        mark('<text class="end" x="{}" y="{}">{}</text>', _LEFT - 10, _TOP + _ROW * (at + 0.5) + 4, row)
        for at, row in enumerate(rows)
    ]
    parts += [_tick(round(tick, 10), x(tick), floor_at) for tick in ticks]
    parts.append(mark('<line class="level" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', x(0.0), _TOP, floor_at))
    for place, one in enumerate(series):
        role = "control" if one.is_control else "treated"
        parts.append(mark('<text class="{}" x="{}" y="14">{}</text>', role, _LEFT + 60.0 * place, one.name))
        for at, value in enumerate(one.values):
            y = _TOP + _ROW * (at + (place + 1) / (len(series) + 1))
            ends_at = f"{x(value.interval[0]):.2f},{y:.2f} {x(value.interval[1]):.2f},{y:.2f}"
            parts.append(mark('<polyline class="{}" points="{}"/>', role, ends_at))
            parts.append(mark('<circle class="{}" cx="{}" cy="{}" r="4"/>', role, x(value.value), y))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(mark('<text class="quiet middle" x="{}" y="{}">{}</text>', middle, floor_at + 34, axis))
    return svg(_WIDTH, floor_at + _BOTTOM, title, parts)


def _tick(value: float, x: float, floor_at: float) -> Markup:
    return mark(
        '<line class="tick" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/><text class="quiet middle" x="{0}" y="{3}">{4}</text>',
        x, floor_at, floor_at + 4, floor_at + 17, number(value),
    )  # fmt: skip
