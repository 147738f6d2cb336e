"""Rows of numbers with intervals."""

import re

from hooke.findings import Estimate
from hooke.pages.interval_chart import interval_chart
from hooke.studies.account import Series


def test_dots_stand_within_their_intervals_and_controls_stay_back():
    values = (Estimate(value=1.0, interval=(0.0, 2.0)), Estimate(value=-2.0, interval=(-3.0, -1.0)))
    series = (Series(name="own", values=values), Series(name="<other>", values=values, is_control=True))
    drawn = interval_chart(("one", "two"), series, title="T", axis="nats")
    assert drawn.count('<circle class="treated"') == drawn.count('<circle class="control"') == 2
    assert "&lt;other&gt;" in drawn
    dots = [float(one) for one in re.findall(r'<circle class="treated" cx="([\d.]+)"', drawn)]
    ends = [
        (float(low), float(high))
        for low, high in re.findall(r'<polyline class="treated" points="([\d.]+),[\d.]+ ([\d.]+),', drawn)
    ]
    for dot, (low, high) in zip(dots, ends, strict=True):
        assert abs(dot - (low + high) / 2) < 0.1
    assert dots[1] < dots[0]
    zero = float(re.findall(r'<line class="level" x1="([\d.]+)"', drawn)[0])
    assert abs(zero - ends[0][0]) < 0.1
