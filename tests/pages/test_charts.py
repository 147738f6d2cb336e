"""Charts: coordinates from numbers."""

import re

import pytest

from hooke.pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, Point, histogram, line_chart


def line(name: str, ys: list[float], role: str = "treated") -> Line:
    points = tuple(Point(x=float(place), y=y, low=y - 0.1, high=y + 0.1) for place, y in enumerate(ys))
    return Line(name=name, role=role, points=points)  # pyright: ignore[reportArgumentType]


def coordinates(svg: str) -> list[tuple[float, float]]:
    points = re.search(r'<polyline class="treated[^"]*" points="([^"]*)"', svg)
    assert points is not None
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.group(1).split())]


def test_points_stand_where_their_numbers_say():
    svg = line_chart([line("f", [0.0, 1.0, 2.0])], title="t", x_title="x")
    # The y axis runs from -0.1, the lowest interval end, rounded outwards to -1, up to 3: steps of 1.
    ys = [HEIGHT - BOTTOM - (y + 1) / 4 * (HEIGHT - BOTTOM - TOP) for y in (0, 1, 2)]
    assert coordinates(svg) == [
        (LEFT, pytest.approx(ys[0], abs=0.01)),
        (pytest.approx((LEFT + WIDTH - RIGHT) / 2), pytest.approx(ys[1], abs=0.01)),
        (WIDTH - RIGHT, pytest.approx(ys[2], abs=0.01)),
    ]


def test_doublings_are_evenly_spaced_on_a_logarithmic_axis():
    first, second, third = coordinates(line_chart([line("f", [1.0, 2.0, 4.0])], title="t", x_title="x", is_log=True))
    assert first[1] - second[1] == pytest.approx(second[1] - third[1], abs=0.02)


def test_what_is_above_the_top_is_cut_off_there():
    svg = line_chart([line("f", [1.0, 2.0, 5000.0])], title="t", x_title="x", is_log=True, y_top=16.0)
    assert coordinates(svg)[-1][1] == TOP


def test_what_is_claimed_is_drawn_last_and_names_do_not_touch():
    lines = [line("feature", [0.0, 1.0]), line("3 random", [0.0, 1.0], "control"), line("", [0.0, 0.9], "control")]
    svg = line_chart(lines, title="t", x_title="x")
    assert svg.rindex("<polyline") == svg.index('<polyline class="treated')
    heights = [
        float(y) for y in re.findall(rf'<text class="(?:treated|control)" x="{WIDTH - RIGHT + 8:g}" y="([\d.]+)"', svg)
    ]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 14


def test_a_flat_line_and_negative_doses_are_drawn():
    flat = Line(
        name="f",
        role="treated",
        points=(Point(x=-1.0, y=0.0, low=0.0, high=0.0), Point(x=-2.0, y=0.0, low=0.0, high=0.0)),
    )
    assert len(coordinates(line_chart([flat], title="t", x_title="x"))) == 2


def test_bars_are_as_tall_as_their_counts_and_never_vanish():
    svg = histogram([0, 1, 1000], ["a", "", "b", "c"], title="t", x_title="x")
    heights = [float(height) for height in re.findall(r'<rect[^>]* height="([\d.]+)"', svg)]
    assert heights == [1.0, 98.0]


def test_titles_are_escaped_and_the_same_chart_is_the_same_bytes():
    svg = line_chart([line("<b>", [0.0, 1.0])], title='"<t>"', x_title="<x>")
    assert not re.search(r"<(b|t|x)>", svg)
    assert svg == line_chart([line("<b>", [0.0, 1.0])], title='"<t>"', x_title="<x>")
