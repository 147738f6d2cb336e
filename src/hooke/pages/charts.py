"""Charts as inline SVG. Their colours are the page's, so they follow it into the dark and onto paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2, log10
from typing import Literal

from markupsafe import Markup

from hooke.pages.numerals import harmless, number

WIDTH, HEIGHT = 460.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 92.0, 14.0, 40.0

_LINE_HEIGHT = 14.0

Scale = Callable[[float], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One measured point with its interval."""

    x: float
    """Where it stands."""
    y: float
    """What was measured."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Points that belong together."""

    name: str
    """Said at its end; empty where another line's name stands for both."""
    role: Literal["treated", "control"]
    """How it is drawn: what is claimed stands out, controls stay back."""
    points: tuple[Point, ...]
    """From left to right."""


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    x_title: str,
    levels: Sequence[float] = (),
    is_log: bool = False,
    y_top: float | None = None,
) -> Markup:
    """Lines with bands for their intervals, and dotted levels to compare with; above `y_top` all is cut off."""
    points = [point for line in lines for point in line.points]
    ticks = _y_ticks(points, levels, is_log, y_top)
    x_low, x_high = min(0.0, *(point.x for point in points)), max(0.0, *(point.x for point in points))
    x = _scale(x_low, x_high, LEFT, WIDTH - RIGHT)
    y = _clipped(_scale(_up(ticks[0], is_log), _up(ticks[-1], is_log), HEIGHT - BOTTOM, TOP), is_log, ticks)
    parts = [_y_axis(ticks, y), _x_axis(sorted({0.0, *(point.x for point in points)}), x, x_title)]
    parts += [_level(one, y) for one in levels]
    ordered = sorted(lines, key=lambda line: line.role == "treated")
    parts += [_line(line, place, x, y) for place, line in enumerate(ordered)]
    parts += _names(ordered, y)
    return svg(WIDTH, HEIGHT, title, parts)


def _names(lines: Sequence[Line], y: Scale) -> list[Markup]:
    """Names at the ends of the lines, moved apart where they would touch."""
    named = sorted(
        ((y(line.points[-1].y), line) for line in lines if line.name), key=lambda pair: (pair[0], pair[1].name)
    )
    heights: list[float] = []
    for height, _ in named:
        heights.append(max(height + 4, heights[-1] + _LINE_HEIGHT if heights else 0.0))
    lowest = HEIGHT - BOTTOM + 4.0
    for place in reversed(range(len(heights))):
        heights[place] = min(heights[place], lowest)
        lowest = heights[place] - _LINE_HEIGHT
    return [
        mark('<text class="{}" x="{}" y="{}">{}</text>', line.role, WIDTH - RIGHT + 8, height, line.name)
        for height, (_, line) in zip(heights, named, strict=True)
    ]


def _line(line: Line, place: int, x: Scale, y: Scale) -> Markup:
    upper = [(x(point.x), y(point.high)) for point in line.points]
    lower = [(x(point.x), y(point.low)) for point in reversed(line.points)]
    middle = [(x(point.x), y(point.y)) for point in line.points]
    dots = Markup("").join(
        mark('<circle class="{}" cx="{}" cy="{}" r="{}"/>', line.role, left, height, 3 if line.role == "treated" else 2)
        for left, height in middle
    )
    return mark(
        '<polygon class="band {0}" points="{1}"/><polyline class="{0} line-{2}" points="{3}"/>{4}',
        line.role,
        _path([*upper, *lower]),
        place % 4,
        _path(middle),
        dots,
    )


def _level(level: float, y: Scale) -> Markup:
    return mark('<line class="level" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, WIDTH - RIGHT, y(level), y(level))


def _y_ticks(points: Sequence[Point], levels: Sequence[float], is_log: bool, y_top: float | None) -> list[float]:
    values = [*(one.low for one in points), *(one.high for one in points), *levels]
    low, high = min(values), max(values)
    high = high if y_top is None else min(high, y_top)
    if is_log:
        return [
            2.0**power for power in range(floor(log2(max(low, 1e-6)) + 0.1), ceil(log2(max(high, 2e-6)) - 0.02) + 1)
        ]
    return round_ticks(min(low, 0.0), high)


def round_ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers, the first not above and the last not below what is given."""
    step = _step(max(high - low, 1e-9))
    return [step * place for place in range(floor(low / step + 1e-9), ceil(high / step - 1e-9) + 1)]


def _step(span: float) -> float:
    """A round step that gives three to six ticks."""
    rough = span / 4
    power = 10.0 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (stop - start)


def _up(value: float, is_log: bool) -> float:
    return log2(max(value, 1e-9)) if is_log else value


def _clipped(scale: Scale, is_log: bool, ticks: Sequence[float]) -> Scale:
    return lambda value: scale(_up(min(max(value, ticks[0]), ticks[-1]), is_log))


def _y_axis(ticks: Sequence[float], y: Scale) -> Markup:
    return Markup("").join(
        mark(
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="quiet end" x="{}" y="{}">{}</text>',
            LEFT,
            WIDTH - RIGHT,
            y(tick),
            y(tick),
            LEFT - 7,
            y(tick) + 4,
            number(round(tick, 10)),
        )
        for tick in ticks
    )


def _x_axis(ticks: Sequence[float], x: Scale, title: str) -> Markup:
    marks = Markup("").join(
        mark('<line class="tick" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', x(tick), HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4)
        for tick in ticks
    )
    labels: list[Markup] = []
    last = -1e9
    for tick in ticks:
        if x(tick) - last >= 24:
            last = x(tick)
            labels.append(
                mark('<text class="quiet middle" x="{}" y="{}">{}</text>', last, HEIGHT - BOTTOM + 17, number(tick))
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    name = mark('<text class="quiet middle" x="{}" y="{}">{}</text>', middle, HEIGHT - 6, title)
    return Markup("").join([marks, *labels, name])


def histogram(counts: Sequence[int], edges: Sequence[str], *, title: str, x_title: str) -> Markup:
    """Bars for counts in a row of bins; `edges` are what stands between the bins, empty for no word there."""
    width, height, left, right, top, bottom = 460.0, 150.0, 48.0, 12.0, 16.0, 36.0
    most = max([1, *counts])
    step = (width - left - right) / max(len(counts), 1)
    bars = Markup("").join(
        mark(
            '<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>',
            left + place * step + 0.5,
            height - bottom - _tall(count, most, height - top - bottom),
            max(step - 1, 0.5),
            _tall(count, most, height - top - bottom),
            number(count),
        )
        for place, count in enumerate(counts)
        if count
    )
    words = Markup("").join(
        mark('<text class="quiet middle" x="{}" y="{}">{}</text>', left + place * step, height - bottom + 15, word)
        for place, word in enumerate(edges)
        if word
    )
    floor_at, middle = height - bottom, (left + width - right) / 2
    frame = [
        mark('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>', left, width - right, floor_at, floor_at),
        mark('<text class="quiet end" x="{}" y="{}">{}</text>', left - 7, top + 4, number(most)),
        mark('<text class="quiet end" x="{}" y="{}">0</text>', left - 7, floor_at + 4),
        mark('<text class="quiet middle" x="{}" y="{}">{}</text>', middle, height - 5, x_title),
    ]
    return svg(width, height, title, [*frame, bars, words])


def _tall(count: int, most: int, height: float) -> float:
    """The height of a bar; what is not zero never vanishes."""
    return max(height * count / most, 1.0)


def svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    """A chart of this size, in user units; the title is what is read aloud."""
    return mark(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        width,
        height,
        title,
        Markup("").join(parts),
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{_at(x)},{_at(y)}" for x, y in points)


def mark(shape: str, *values: float | int | str) -> Markup:
    """A shape with its numbers and words filled in; words are escaped."""
    return Markup(shape).format(*(_at(value) if isinstance(value, float) else harmless(value) for value in values))


def _at(value: float) -> str:
    """A coordinate; two decimals are finer than any screen, and the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
