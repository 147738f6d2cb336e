"""Findings, estimates and their bootstrap intervals."""

import math

import numpy as np
import pytest

from hooke import findings
from hooke.findings import (
    Estimate,
    Finding,
    area_under_curve,
    balanced_interval,
    bootstrap_interval,
    estimate,
    estimate_ratio,
    share_interval,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_of_a_mean_is_that_of_theory():
    values = rng(1).normal(10, 3, 500)
    low, high = bootstrap_interval(values, generator=rng())
    # 1.96 standard errors each side, to the noise of 1,000 resamples.
    assert high - low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(500), rel=0.15)
    assert low < values.mean() < high


def test_it_covers_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng(seed).normal(0, 1, 40), generator=rng(seed), n_resamples=300)
        hits += low <= 0 <= high
    # 95 % of 200, with three standard deviations of that count, less what the percentile bootstrap loses at n = 40.
    assert 175 <= hits <= 199


def test_the_same_generator_gives_the_same_interval():
    values = rng(1).normal(size=20)
    assert bootstrap_interval(values, generator=rng(7)) == bootstrap_interval(values, generator=rng(7))


def test_many_units_are_resampled_in_parts(monkeypatch: pytest.MonkeyPatch):
    values = rng(1).normal(size=50)
    whole = bootstrap_interval(values, generator=rng(7))
    shapes = []

    def statistic(samples: np.ndarray) -> np.ndarray:
        shapes.append(samples.shape)
        return samples.mean(axis=-1)

    monkeypatch.setattr(findings, "_ELEMENTS_AT_ONCE", 3000)
    parts = bootstrap_interval(values, generator=rng(7), statistic=statistic)
    assert shapes == [(60, 50)] * 16 + [(40, 50)]
    # Both are the interval of one mean, to the noise of 1,000 resamples.
    assert parts == pytest.approx(whole, abs=0.1)


def test_nothing_has_no_interval():
    assert all(math.isnan(end) for end in bootstrap_interval([], generator=rng()))


def test_any_statistic_of_the_rows_may_be_estimated():
    found = estimate([1.0, 2.0, 10.0], generator=rng(), statistic=lambda samples: np.median(samples, axis=-1))
    assert found.value == 2.0
    assert found.interval == (1.0, 10.0)


def test_an_estimate_is_the_mean_by_default():
    assert estimate([1.0, 3.0], generator=rng()).value == 2.0
    assert isinstance(estimate([5.0], generator=rng()), Estimate)
    assert estimate([5.0], generator=rng()).interval == (5.0, 5.0)


def test_a_finding_reads_with_its_control():
    finding = Finding(
        claim="Steering works", value=0.51234, interval=(0.4, 0.6), n=12, control=0.01, control_interval=(0.0, 0.02),
        control_name="random direction", unit=" nats",
    )  # fmt: skip
    assert str(finding) == "Steering works: 0.5123 nats [0.4, 0.6], n = 12; random direction: 0.01 nats [0, 0.02]"


def test_a_ratio_of_means_is_not_blown_up_by_a_small_whole():
    parts, wholes = np.array([1.0, 2.0, 3.0, 0.5]), np.array([2.0, 4.0, 6.0, 0.001])
    found = estimate_ratio(parts, wholes, generator=np.random.default_rng(0))
    assert found.value == pytest.approx(6.5 / 12.001)
    assert found.interval[0] == pytest.approx(0.5, abs=0.01), "where the odd one is not drawn"
    assert found.value < found.interval[1] < 1, "a mean of ratios would be 125"
    constant = estimate_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], generator=np.random.default_rng(0))
    assert constant.interval == pytest.approx((0.5, 0.5)), "a part stays with its whole"


def test_the_interval_of_a_share_is_that_of_the_tables():
    # Wilson's interval of 8 in 10, as it is printed in textbooks.
    assert share_interval(0.8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    low, high = share_interval(1.0, 10)
    assert low == pytest.approx(0.7225, abs=1e-3)
    assert [share_interval(1.0, n)[1] for n in (10, 20, 58)] == [1.0] * 3
    assert [share_interval(0.0, n)[0] for n in (3, 5, 10)] == [0.0] * 3
    assert high == 1.0
    assert share_interval(0.0, 0) == (0.0, 1.0)


def test_the_interval_of_a_balanced_accuracy_covers_it_19_times_in_20():
    draws, covered = rng(3), 0
    for _ in range(2000):
        recall, specificity = draws.binomial(50, 0.9) / 50, draws.binomial(50, 0.7) / 50
        low, high = balanced_interval(recall, 50, specificity, 50)
        covered += low <= 0.8 <= high
    assert 0.93 < covered / 2000 < 0.975


def test_the_area_is_the_share_of_pairs_in_order():
    area, (low, high) = area_under_curve(np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0]))
    assert area == pytest.approx(4.5 / 6)
    assert 0 <= low < area < high <= 1
    area, (low, high) = area_under_curve(np.arange(5.0) + 10, np.arange(5.0))
    assert (area, high) == (1.0, 1.0)
    assert low < 0.7, "five of each are no proof"


def test_groups_weigh_alike_in_the_order_in_which_they_come():
    found = findings.group_means(np.array([5.0, 1.0, 1.0, 4.0]), ["b", "a", "a", "a"])
    assert found.tolist() == [5.0, 2.0]
