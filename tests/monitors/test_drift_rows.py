"""What fires and where activations lie: nothing is called where nothing changed, and what was planted is."""

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.monitors.drift_rows import firing_shift, outside

NAMES = tuple(f"f{at}" for at in range(40))


def _fired(n: int, rates: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((n, len(rates))) < rates


def test_features_that_fire_as_before_are_not_called() -> None:
    rates = np.linspace(0.05, 0.9, 40)
    n_called = 0
    for seed in range(20):
        found = firing_shift(NAMES, _fired(300, rates, seed), _fired(300, rates, 100 + seed))
        n_called += any(one.q <= 0.05 for one in found)
    assert n_called <= 3


def test_planted_changes_are_called_first_and_others_are_not() -> None:
    rates = np.full(40, 0.2)
    moved = rates.copy()
    moved[[3, 7]] = 0.5, 0.02
    found = firing_shift(NAMES, _fired(300, rates, 0), _fired(300, moved, 1))
    assert {one.name for one in found if one.q <= 0.05} == {"f3", "f7"}
    assert {one.name for one in found[:2]} == {"f3", "f7"}
    assert all(one.p <= one.q <= 1 for one in found)
    by_name = {one.name: one for one in found}
    assert by_name["f3"].now > 2 * by_name["f3"].before


def _rows(n: int, seed: int, new: float = 0.0) -> np.ndarray:
    """Rows in four dimensions with a little noise in all; `new` is how much goes along a fifth."""
    generator = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(9).standard_normal((64, 5)))[0].T
    main = generator.standard_normal((n, 4)) @ axes[:4] * 5
    return main + new * generator.standard_normal((n, 1)) * axes[4] + 0.1 * generator.standard_normal((n, 64)) + 3


def test_the_share_outside_stays_where_nothing_changed_and_grows_along_a_new_axis() -> None:
    before = _rows(200, 0)
    same, moved = outside("s", before, _rows(150, 1)), outside("s", before, _rows(150, 1, new=5.0))
    assert same.n_dimensions == 32
    assert same.now.interval[0] <= same.before.interval[1]
    assert moved.now.interval[0] > 10 * moved.before.interval[1]
    assert moved.now.interval[0] < moved.now.value < moved.now.interval[1]


def test_forms_that_take_turns_are_in_both_halves() -> None:
    before = _rows(200, 0)
    before[1::2] = _rows(100, 2, new=5.0)
    found = outside("s", before, before)
    assert found.before.value < 0.05


def test_too_few_rows_have_no_subspace() -> None:
    with pytest.raises(BadRequest, match="No subspace"):
        outside("s", _rows(3, 0), _rows(5, 0))
