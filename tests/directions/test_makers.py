"""Makers of vectors on rows where the direction is known."""

import numpy as np
import pytest
import torch

from hooke.directions.makers import (
    Fitted,
    Maker,
    calibrated,
    logistic,
    means,
    pca,
    pooled_rows,
    ridge,
    scores_of,
    shuffled,
    subspace,
)
from hooke.directions.pooling import Pooling, running
from hooke.findings import area_under_curve
from tests.directions.planted_rows import SITES, planted_rows

LINEAR = [means, logistic, ridge, pca, subspace]


@pytest.mark.parametrize("maker", LINEAR)
def test_a_planted_direction_is_recovered(maker: Maker) -> None:
    data, planted = planted_rows()
    found = maker(data, SITES[:1], Pooling(), 0)
    cosine = torch.cosine_similarity(found.vectors[0], planted, dim=0)
    assert float(cosine) > 0.9
    fresh, _ = planted_rows(seed=1)
    scores = scores_of(found, fresh, SITES[:1], Pooling())
    assert area_under_curve(scores[fresh.labels], scores[~fresh.labels])[0] > 0.99


@pytest.mark.parametrize("maker", LINEAR)
def test_nothing_is_recovered_where_nothing_was_planted(maker: Maker) -> None:
    data, fresh = planted_rows()[0], planted_rows(seed=1)[0]
    found = maker(data, SITES[1:], Pooling(), 0)
    scores = scores_of(found, fresh, SITES[1:], Pooling())
    assert abs(area_under_curve(scores[fresh.labels], scores[~fresh.labels])[0] - 0.5) < 0.15


@pytest.mark.parametrize("how", ["last", "mean", "ema"])
def test_a_linear_pooling_of_rows_is_that_of_scores(how: str) -> None:
    data, direction = planted_rows(n=12)
    pooling = Pooling(how=how, window=4)  # pyright: ignore[reportArgumentType]
    expected = scores_of(Fitted(vectors=(direction,)), data, SITES[:1], pooling)
    found = pooled_rows(data, SITES[0], pooling) @ direction.double().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    first = (data.rows[SITES[0]] @ direction)[: int(data.lengths[0])]
    assert running(first.tolist(), pooling)[-1] == pytest.approx(expected[0], rel=1e-4)


@pytest.mark.parametrize("how", ["mean", "max", "softmax", "rolling"])
def test_zero_parts_the_texts_that_it_was_calibrated_on(how: str) -> None:
    data, direction = planted_rows(strength=6)
    pooling = Pooling(how=how, window=4)  # pyright: ignore[reportArgumentType]
    found = calibrated(Fitted(vectors=(direction,)), data, SITES[:1], pooling)
    assert ((scores_of(found, data, SITES[:1], pooling) > 0) == data.labels).mean() > 0.95


def test_scores_that_are_all_alike_are_calibrated_too() -> None:
    data, direction = planted_rows(n=12)
    assert calibrated(Fitted(vectors=(0 * direction,)), data, SITES[:1], Pooling()).bias == 0


def test_labels_are_dealt_out_within_groups() -> None:
    labels = np.array([True, True, False, False, True, True, False, False])
    groups = ["a", "a", "a", "a", "b", "b", "c", "c"]
    dealt = [shuffled(labels, groups, seed=seed) for seed in range(30)]
    assert all(one[:4].sum() == 2 and one[4:].sum() == 2 for one in dealt)
    assert len({tuple(one[:4]) for one in dealt}) > 2
    assert len({tuple(one[4:]) for one in dealt}) > 2
