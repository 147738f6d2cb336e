"""Effects by groups: their size, what luck does, and halves that share no group."""

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.evaluate.concept_groups import (
    Sums,
    by_luck,
    corrected,
    estimate_effect,
    searched_by_luck,
    split_groups,
    texts_of,
    threshold,
)
from hooke.text.concepts import Labelled

N = 12


def items(n: int = N) -> list[Labelled]:
    """Two texts of each label in every group."""
    return [
        Labelled(text=f"{group} {at}", label=at % 2 == 0, group=f"g{group:02}", style="")
        for group in range(n)
        for at in range(4)
    ]


def sums(values: np.ndarray, n: int = N) -> Sums:
    some = items(n)
    return Sums.of(values, some, [f"g{group:02}" for group in range(n)])


def test_halves_share_no_group_and_leave_out_groups_of_one_label():
    alone = Labelled(text="alone", label=False, group="alone", style="")
    split = split_groups([*items(), alone], seed=3)
    assert len(split.first) == len(split.second) == N // 2
    assert not set(split.first) & set(split.second)
    assert "alone" not in split.first + split.second
    assert split != split_groups(items(), seed=4)
    assert texts_of(items(), split.first).sum() == 2 * N
    with pytest.raises(BadRequest, match="7 of 7 groups .* at least 8"):
        split_groups(items(7))


def test_an_effect_is_the_gap_in_standard_deviations():
    labels = np.array([one.label for one in items()], dtype=float)
    noise = np.random.default_rng(0).normal(size=(4 * N, 2))
    values = np.stack([labels, 5 * labels - 1, np.full(4 * N, 0.7), noise[:, 0]], 1)
    found = sums(values).effects()[0]
    assert found[:3] == pytest.approx([2, 2, 0])
    own, other = noise[labels == 1, 0], noise[labels == 0, 0]
    assert found[3] == pytest.approx((own.mean() - other.mean()) / noise[:, 0].std())


def test_an_interval_is_over_groups_and_a_difference_over_the_same_ones():
    labels = np.array([one.label for one in items()], dtype=float)
    # It tells in half of the groups only, however many texts these have.
    half = labels * np.repeat(np.arange(N) % 2, 4)
    both = sums(np.stack([half, labels], 1))
    found = estimate_effect(both.column(0), seed=1)
    assert found.interval[1] - found.interval[0] > 0.4
    assert estimate_effect(both.column(1), seed=1).interval == pytest.approx((2, 2))
    less = estimate_effect(both.column(1), less=both.column(0), seed=1)
    assert less.value == pytest.approx(2 - found.value)
    assert less.interval == pytest.approx((2 - found.interval[1], 2 - found.interval[0]))


def test_luck_swaps_whole_groups():
    labels = np.array([one.label for one in items()], dtype=float)
    clear = by_luck(sums(labels[:, None]), n=4000)
    assert clear == pytest.approx(2.0**-N, abs=1e-3)
    # Every text of one group only: many texts, one observation.
    alone = labels * (np.arange(4 * N) < 4)
    assert by_luck(sums(alone[:, None]), n=4000) == pytest.approx(0.5, abs=0.05)
    assert by_luck(sums(-labels[:, None]), n=4000) == 1


def test_the_best_of_many_random_columns_is_nothing_on_other_groups():
    generator = np.random.default_rng(0)
    first, second = (sums(generator.normal(size=(4 * N, 500))) for _ in range(2))
    assert first.effects()[0].max() > 0.6
    found = searched_by_luck(first, second)
    assert abs(found.mean()) < 0.1
    assert 0.2 < np.percentile(found, 95) < 0.7


def test_chances_are_corrected_for_their_number():
    assert corrected([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected([0.5, 0.9]) == [1, 1]
    assert corrected([]) == []


def test_a_threshold_parts_best():
    values, labels = np.array([0, 0, 1, 3, 4.0]), np.array([False, False, False, True, True])
    assert threshold(values, labels) == 2
    assert (np.zeros(4) > threshold(np.zeros(4), np.array([True, False] * 2))).all()
