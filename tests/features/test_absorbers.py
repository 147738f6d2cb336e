"""A special feature that was planted to take a general one's part is found to; a silence that nothing fills is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from hooke.features.absorbers import absorbers
from hooke.features.matches import matches
from tests.features.planted_pairs import CONTEXT, co_firing, reader, sparse_acts

N_WINDOWS, N, D = 150, 60, 64
SHARE = 0.3


def planted(*, fills: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Feature 0 of the larger one is parent 0, but silent on three firings of ten; there feature 9 fires, or not."""
    rng = np.random.default_rng(0)
    one = sparse_acts(N_WINDOWS, 4, density=0.1)
    other = sparse_acts(N_WINDOWS, N, density=0.1, seed=1)
    other[:, :4] = one
    is_gap = (rng.random(len(one)) < SHARE) & (one[:, 0] > 0)
    other[is_gap, 0] = 0
    other[:, 9] = np.where(is_gap & fills, 2.0, 0)
    written = rng.normal(size=(N, D)) / np.sqrt(D)
    written[9] = written[0] + 0.5 * written[9]
    return one, other, written[:4].copy(), written


def found_of(folder: Path, *, fills: bool):
    one, other, parents, written = planted(fills=fills)
    found = co_firing(folder, one, other)
    pair = reader("resid_post.0", 4, rows=parents), reader("resid_post.1", N, rows=written)
    return absorbers(found, 0, *pair, matches(found, *pair)[0]), one


def test_the_planted_absorber_takes_its_part(tmp_path: Path):
    found, one = found_of(tmp_path, fills=True)
    fired = one[np.arange(len(one)) % CONTEXT > 0, 0]
    strong = int((fired >= np.median(fired[fired > 0])).sum())
    assert abs(found.n_strong[0] - strong) <= 1
    assert abs(found.n_silent[0] / found.n_strong[0] - SHARE) < 0.1
    assert found.absorber[0, 0] == 9
    assert found.count[0, 0] > 0.9 * found.n_silent[0]
    assert found.n_absorbed[0] > 0.9 * found.n_silent[0]
    assert found.n_control[0] < 0.4 * found.n_absorbed[0]
    # The others' matches are never silent.
    assert found.n_silent[1:].tolist() == [0, 0, 0]


def test_where_nothing_fills_the_silence_little_is_absorbed(tmp_path: Path):
    found, _ = found_of(tmp_path, fills=False)
    assert found.n_silent[0] > 20
    assert found.n_absorbed[0] < 0.4 * found.n_silent[0]


def test_parents_without_a_match_are_not_asked(tmp_path: Path):
    one, other, parents, written = planted(fills=True)
    found = co_firing(tmp_path, one, other)
    pair = reader("resid_post.0", 4, rows=parents), reader("resid_post.1", N, rows=written)
    match = matches(found, *pair)[0]
    gone = absorbers(found, 0, *pair, replace(match, is_match=np.array([False, True, True, False])))
    assert (gone.n_strong > 0).tolist() == [False, True, True, False]
