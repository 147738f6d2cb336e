"""Intervals over groups."""

import numpy as np
import pytest

from hooke.directions.group_draws import GroupDraws, estimated
from hooke.directions.low_rates import threshold_at
from hooke.findings import area_under_curve


def test_the_first_draw_is_the_sample_and_the_others_are_samples_of_groups() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(200) < 0.4
    scores = np.round(generator.normal(size=200) + labels, 1)
    draws = GroupDraws.of(labels, [str(at // 10) for at in range(200)], seed=0, n=50)
    areas = draws.areas(scores)
    assert areas[0] == pytest.approx(area_under_curve(scores[labels], scores[~labels])[0])
    drawn = np.repeat(np.arange(200), draws.weights[7].astype(int))
    expected, _ = area_under_curve(scores[drawn][labels[drawn]], scores[drawn][~labels[drawn]])
    assert areas[7] == pytest.approx(expected)
    assert all(len(set(row[at * 10 : at * 10 + 10].tolist())) == 1 for row in draws.weights for at in range(20))


def test_groups_alike_inside_make_the_interval_wider() -> None:
    generator = np.random.default_rng(1)
    labels = np.tile([True, False], 200)
    shared = np.repeat(generator.normal(size=20), 20)
    scores = shared * labels * 2 + generator.normal(size=400)
    groups = [str(at // 20) for at in range(400)]
    widths = []
    for names in (groups, [str(at) for at in range(400)]):
        low, high = estimated(GroupDraws.of(labels, names, seed=0).areas(scores)).interval
        widths.append(high - low)
    assert widths[0] > 2 * widths[1]


def test_recall_is_what_lies_above_the_threshold() -> None:
    generator = np.random.default_rng(2)
    labels = np.arange(1500) % 2 == 0
    scores = generator.normal(size=1500) + 2 * labels
    draws = GroupDraws.of(labels, [str(at // 5) for at in range(1500)], seed=0, n=200)
    found = draws.recalls(scores, 0.01)
    assert found is not None
    assert found[0] == pytest.approx((scores[labels] > threshold_at(scores[~labels], 0.01)).mean())
    low, high = estimated(found).interval
    assert low < found[0] < high
    assert draws.recalls(scores, 0.001) is None


def test_a_perfect_area_is_not_sure() -> None:
    labels = np.arange(40) % 2 == 0
    draws = GroupDraws.of(labels, [str(at // 4) for at in range(40)], seed=0, n=100)
    low, high = estimated(draws.areas(labels.astype(float)), n=draws.n_groups).interval
    assert high == pytest.approx(1)
    assert low < 0.8


def test_groups_of_one_label_never_make_a_draw_without_the_other() -> None:
    labels = np.array([True] * 6 + [False] * 2)
    draws = GroupDraws.of(labels, [str(at) for at in range(8)], seed=0, n=300)
    assert len(draws.weights) == 301
    assert np.isfinite(draws.areas(np.arange(8.0))).all()
