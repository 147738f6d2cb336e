"""Thresholds for few false alarms."""

import numpy as np
import pytest
from scipy.stats import binom

from hooke.directions.low_rates import most_above, negatives_needed, precision_at, threshold_at, upper_bound


@pytest.mark.parametrize(
    ("rate", "needed"),
    [
        (0.01, {0: 299, 1: 473, 3: 773, 5: 1_049, 10: 1_693}),
        (0.001, {0: 2_995, 1: 4_742, 3: 7_752, 5: 10_511, 10: 16_959}),
        (0.0001, {0: 29_956, 1: 47_437, 3: 77_535, 5: 105_128, 10: 169_619}),
    ],
)
def test_negatives_needed_for_a_rate_with_so_many_above(rate: float, needed: dict[int, int]) -> None:
    assert {above: negatives_needed(rate, above) for above in needed} == needed
    assert all(upper_bound(above, n) <= rate < upper_bound(above, n - 1) for above, n in needed.items())


@pytest.mark.parametrize("above", [0, 1, 5])
def test_as_many_may_lie_above_as_the_bound_allows(above: int) -> None:
    n = negatives_needed(0.01, above)
    assert (most_above(n, 0.01), most_above(n - 1, 0.01)) == (above, above - 1 if above else None)
    # With so many above of n, a rate of 1 % would leave so few or fewer in less than 5 % of cases: not so of one less.
    assert binom.cdf(above, n, 0.01) <= 0.05 < binom.cdf(above, n - 1, 0.01)


def test_a_threshold_has_as_many_negatives_above_it_and_needs_enough() -> None:
    scores = np.random.default_rng(0).permutation(1_049).astype(float)
    found = threshold_at(scores, 0.01)
    assert found is not None
    assert int((scores > found).sum()) == 5
    assert threshold_at(scores[:298], 0.01) is None
    assert threshold_at(np.ones(400), 0.01) == 1


def test_what_an_operator_will_see() -> None:
    assert precision_at(0.001, 0.8, 0.01) == pytest.approx(0.074, abs=5e-4)
    assert precision_at(0.001, 0.8, 0.001) == pytest.approx(0.44, abs=5e-3)
