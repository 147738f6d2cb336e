"""Partners that were planted are told of, what is independent is not, and the numbers are those of the formulas."""

from pathlib import Path

import numpy as np
import pytest

from hooke.features.co_firing import TRIAL
from hooke.features.fire_together import LEAST_TOGETHER, chance_excess, fire_together
from tests.features.planted_pairs import CONTEXT, co_firing, counted, sparse_acts

N_WINDOWS = 120


def planted() -> np.ndarray:
    """Feature 1 fires on most tokens of feature 0 and nowhere else; 3 on every token of 2; the others by themselves."""
    acts = sparse_acts(N_WINDOWS, 40, density=0.05)
    keep = np.random.default_rng(1).random(len(acts)) < 0.8
    acts[:, 1] = np.where(keep, acts[:, 0], 0)
    acts[:, 3] = acts[:, 2]
    acts[:, 5] = 0
    return acts


def test_planted_partners_are_told_of_and_no_others(tmp_path: Path):
    found = co_firing(tmp_path, planted())
    partners = fire_together(found, 0, 0, least=chance_excess(found, 0, 0))
    for one, other in ((0, 1), (1, 0), (2, 3), (3, 2)):
        assert partners.feature[one, 0] == other
        assert partners.told[one, 0]
    told = partners.told.sum(1)
    assert told[:4].tolist() == [1, 1, 1, 1]
    # One feature in twenty passes by chance; of 35 not more than a handful may.
    assert (told[4:] > 0).sum() <= 4
    assert not partners.count[5].any()
    shifted = fire_together(found, 0, 0, least=chance_excess(found, 0, 0), shift=TRIAL)
    assert (shifted.told.sum(1) > 0).mean() <= 0.15


def test_numbers_are_those_of_the_formulas(tmp_path: Path):
    acts = planted()
    found = co_firing(tmp_path, acts)
    partners = fire_together(found, 0, 0, least=0)
    own = counted(acts) > 0
    n = N_WINDOWS * (CONTEXT - 1)
    both = int((own[:, 0] & own[:, 1]).sum())
    expected = own[:, 0].sum() * own[:, 1].sum() / n
    assert partners.count[0, 0] == both
    assert partners.expected[0, 0] == pytest.approx(expected, rel=1e-5)
    assert partners.pmi[0, 0] == pytest.approx(np.log2(both / expected), rel=1e-5)
    assert partners.low[0, 0] < partners.pmi[0, 0] < partners.high[0, 0]
    assert (partners.count[partners.count > 0] >= LEAST_TOGETHER).all()
    assert (partners.feature != np.arange(40)[:, None])[partners.count > 0].all()


def test_the_interval_covers_what_is_true(tmp_path: Path):
    """Two features that are both on with .02 and each alone with .03: PMI is log2(.02 / .05²) = 3."""
    inside = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = rng.random(N_WINDOWS * CONTEXT)
        acts = np.stack([drawn < 0.05, (drawn < 0.02) | ((drawn > 0.5) & (drawn < 0.53))], axis=1).astype(float)
        found = fire_together(co_firing(tmp_path / str(seed), acts), 0, 0, least=0)
        inside += bool(found.low[0, 0] < 3 < found.high[0, 0])
    assert inside >= 17


def test_partners_in_another_dictionary(tmp_path: Path):
    one = sparse_acts(N_WINDOWS, 10, density=0.05)
    other = np.concatenate([sparse_acts(N_WINDOWS, 20, density=0.05, seed=9), 2 * one[:, [4]]], axis=1)
    found = co_firing(tmp_path, one, other)
    there = fire_together(found, 0, 1, least=chance_excess(found, 0, 1))
    back = fire_together(found, 1, 0, least=chance_excess(found, 1, 0))
    assert (there.feature[4, 0], there.told[4, 0]) == (20, True)
    assert (back.feature[20, 0], back.told[20, 0]) == (4, True)
    assert there.pmi[4, 0] == pytest.approx(back.pmi[20, 0])
