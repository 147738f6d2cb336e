"""A dictionary whose features are another's in another order and other units is matched, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest

from hooke.features.co_firing import TRIAL
from hooke.features.matches import (
    chance_correlation,
    correlations,
    matches,
    mutual_nearest,
    nearest_by_correlation,
    permuted_cosines,
)
from tests.features.planted_pairs import co_firing, counted, reader, sparse_acts

N_WINDOWS, N, D = 120, 20, 16
ORDER = np.random.default_rng(3).permutation(N)


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Feature i of the first is feature ORDER[i] of the second, with noise; the last ten of the second are new."""
    one = sparse_acts(N_WINDOWS, N, density=0.05)
    other = np.zeros((len(one), N + 10))
    other[:, ORDER] = 3 * one * (np.random.default_rng(4).random(one.shape) < 0.9)
    other[:, N:] = sparse_acts(N_WINDOWS, 10, density=0.05, seed=5)
    return one, other


def rows(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, D))


def test_planted_matches_are_found_in_both_directions(tmp_path: Path):
    found = co_firing(tmp_path, *planted())
    written = rows(N + 10, 1)
    own = 2 * written[ORDER]
    one, other = matches(found, reader("resid_post.0", N, rows=own), reader("resid_post.1", N + 10, rows=written))
    assert one.feature.tolist() == ORDER.tolist()
    assert one.is_match.all()
    assert one.by_cosine.tolist() == ORDER.tolist()
    np.testing.assert_allclose(one.cosine, 1, atol=1e-5)
    np.testing.assert_allclose(one.nearest_cosine, 1, atol=1e-5)
    assert other.is_match[:N].all()
    assert not other.is_match[N:].any()
    assert (other.feature[ORDER] == np.arange(N)).all()


def test_correlation_is_pearsons_and_lies_in_its_interval(tmp_path: Path):
    acts = planted()
    found = co_firing(tmp_path, *acts)
    one, _ = matches(found, reader("resid_post.0", N), reader("resid_post.1", N + 10))
    mask = np.arange(len(acts[0])) % 16 > 0
    dense = [counted(some)[mask] for some in acts]
    expected = np.corrcoef(dense[0].T, dense[1].T)[:N, N:]
    np.testing.assert_allclose(one.correlation, expected[np.arange(N), one.feature], atol=1e-4)
    assert ((one.low < one.correlation) & (one.correlation < one.high)).all()
    assert (one.high - one.low < 0.3).all()
    np.testing.assert_allclose(correlations(found, 0, 3, 6)[:, ORDER[3:6]].diagonal(), one.correlation[3:6], atol=1e-4)
    assert np.isnan(one.cosine).all()


def test_on_the_shifted_text_next_to_nothing_is_matched(tmp_path: Path):
    found = co_firing(tmp_path, *planted())
    least = [chance_correlation(found, side) for side in (0, 1)]
    shifted = mutual_nearest([nearest_by_correlation(found, side, shift=TRIAL) for side in (0, 1)], least)
    assert shifted[0].sum() <= 3
    assert 0 < max(least) < 0.3


def test_a_feature_that_fires_with_nothing_has_no_match(tmp_path: Path):
    one, other = planted()
    one[:, 2] = 0
    found, _ = matches(co_firing(tmp_path, one, other), reader("resid_post.0", N), reader("resid_post.1", N + 10))
    assert found.count[2] == found.correlation[2] == 0
    assert not found.is_match[2]


def test_permuted_rows_are_as_near_as_chance(tmp_path: Path):
    written = rows(N, 1)
    alike = reader("resid_post.0", N, rows=written)
    cosines = permuted_cosines(alike, alike)
    assert cosines.shape == (N,)
    assert cosines.mean() == pytest.approx(np.sqrt(2 * np.log(N) / D), abs=0.2)
    assert cosines.max() < 0.95
