"""A feature that is several of the larger dictionary is found to be, on windows on which they were not chosen."""

from pathlib import Path

import numpy as np

from hooke.features.splits import splits
from tests.features.planted_pairs import co_firing, sparse_acts

N_WINDOWS, N = 120, 40


def planted() -> tuple[np.ndarray, np.ndarray]:
    """Parent 0 is the children 3 and 7 together, parent 1 is child 5 alone, parent 2 is none of them."""
    one, other = sparse_acts(N_WINDOWS, 3, density=0.1), sparse_acts(N_WINDOWS, N, density=0.05, seed=1)
    is_first = np.random.default_rng(2).random(len(one)) < 0.6
    other[:, 3] = np.where(is_first, one[:, 0], 0)
    other[:, 7] = np.where(is_first, 0, one[:, 0])
    other[:, 5] = one[:, 1]
    return one, other


def test_children_cover_their_parent(tmp_path: Path):
    found = splits(co_firing(tmp_path, *planted()), 0)
    assert found.n_children.tolist() == [2, 1, 0]
    assert found.child[0, :2].tolist() == [3, 7]
    assert found.child[1, 0] == 5
    np.testing.assert_allclose(found.recall[:2], 1)
    np.testing.assert_allclose(found.gain[0, :2], [0.6, 0.4], atol=0.1)
    assert 0.5 < found.alone[0] < 0.7
    assert found.alone[1] == 1
    assert found.is_split.tolist() == [True, False, False]
    assert (found.control[:2] < 0.25).all()
    assert found.more_low[0] > 0.2
    assert found.recall[2] == found.control[2] == 0
    assert (found.n > 50).all()


def test_a_second_child_that_adds_nothing_is_not_taken(tmp_path: Path):
    one, other = planted()
    other[:, 9] = 2 * one[:, 1]
    found = splits(co_firing(tmp_path, one, other), 0)
    assert found.n_children[1] == 1


def test_a_feature_that_mostly_fires_elsewhere_is_no_child(tmp_path: Path):
    one, other = planted()
    other[:, 5] = np.where(np.random.default_rng(0).random(len(other)) < 0.5, 1, other[:, 5])
    assert splits(co_firing(tmp_path, one, other), 0).n_children[1] == 0


def test_the_larger_dictionary_may_be_given_first(tmp_path: Path):
    one, other = planted()
    found = splits(co_firing(tmp_path, other, one), 1)
    assert found.child[0, :2].tolist() == [3, 7]
