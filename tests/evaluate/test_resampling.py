"""Intervals over windows."""

import numpy as np
import pytest

from hooke.evaluate.resampling import over_windows


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_value_is_the_statistic_of_all_windows():
    hits, counts = np.array([1.0, 5.0, 3.0]), np.array([2.0, 10.0, 4.0])
    found = over_windows(lambda total: total(hits) / total(counts), 3, generator=rng())
    assert found.value == pytest.approx(9 / 16)
    assert found.interval[0] < found.value < found.interval[1]


def test_windows_that_agree_leave_no_doubt():
    hits, counts = np.array([1.0, 5.0, 2.0]), np.array([2.0, 10.0, 4.0])
    found = over_windows(lambda total: total(hits) / total(counts), 3, generator=rng())
    assert found.interval == pytest.approx((0.5, 0.5))


def test_the_interval_of_a_mean_is_that_of_theory():
    values = np.random.default_rng(1).normal(3, 2, 400)
    found = over_windows(lambda total: total(values) / total(np.ones(400)), 400, generator=rng())
    # 1.96 standard errors each side; the bootstrap's own noise with 1,000 resamples is some percent of that.
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_arrays_with_more_axes_are_summed_over_windows():
    sums = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = over_windows(lambda total: (total(sums) ** 2).sum(-1), 2, generator=rng())
    assert found.value == 2.0
    assert found.interval == (2.0, 4.0)
