"""Thresholds: counted, bounded, and kept to what the counts can show."""

import math
from datetime import date

import numpy as np
import pytest

from hooke.directions.low_rates import upper_bound
from hooke.errors import BadRequest
from hooke.monitors.calibrate import calibrated, certify, chance, chances
from tests.monitors.test_spec import _spec


def test_the_threshold_is_the_smallest_that_holds() -> None:
    peaks = np.random.default_rng(0).standard_normal(1000)
    found = certify(peaks.tolist(), 0.01)
    # Of a thousand, four may be above: at five the bound is beyond 1 %.
    assert (found.n_above, found.threshold) == (4, np.sort(peaks)[-5])
    assert found.upper <= 0.01 < upper_bound(5, 1000)


def test_the_bound_holds_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    broken = 0
    for _ in range(300):
        threshold = certify(generator.random(500).tolist(), 0.02).threshold
        broken += 1 - threshold > 0.02
    assert broken <= 0.05 * 300 + 3 * math.sqrt(0.05 * 0.95 * 300)
    assert broken > 0


def test_ties_never_let_more_through() -> None:
    found = certify([1.0] * 400 + [0.0] * 100, 0.01)
    assert (found.threshold, found.n_above) == (1.0, 0)


def test_what_counts_cannot_show_is_refused() -> None:
    with pytest.raises(BadRequest, match="takes 299"):
        certify([0.0] * 298, 0.01)
    with pytest.raises(BadRequest, match="were judged"):
        certify([-math.inf] * 300, 0.01)
    with pytest.raises(BadRequest, match="cannot be"):
        certify([0.0] * 300, 0.0)


def test_a_monitor_gets_thresholds_an_expiry_and_chances() -> None:
    peaks = np.random.default_rng(0).standard_normal(600).tolist()
    labelled = [(-1.0, False), (0.0, False), (0.5, True), (1.0, False), (2.0, True), (-math.inf, False)]
    spec = calibrated(_spec(), peaks, traffic="t", fingerprint="f", labelled=labelled, labelled_name="x",
                      days=10, today=date(2026, 1, 1))  # fmt: skip
    assert spec.watch is not None
    assert spec.act is not None
    assert spec.watch < spec.act
    assert spec.calibration is not None
    assert spec.calibration.expires == date(2026, 1, 11)
    points = spec.calibration.probability
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert (chance(points, -9.0), chance(points, 9.0)) == (0.0, 1.0)
    assert chances([(0.0, False), (1.0, True), (0.5, True), (0.7, False)])[1:-1]
