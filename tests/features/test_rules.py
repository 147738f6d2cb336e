import numpy as np
import pytest

from hooke.features.places import NOTHING, KeyIndex, Places
from hooke.features.rules import Firings, Rule, best_rule


def places(rows: list[list[int]]) -> Places:
    table = np.array(rows, np.int64).reshape(len(rows), -1)
    return Places({"current": table[:, :1], "context": table}, np.arange(len(rows)))


NONE = Places({"current": np.empty((0, 1), np.int64), "context": np.empty((0, 2), np.int64)}, np.empty(0, np.int64))


def firings(strong: list[list[int]], density: float, weak: Places = NONE, weak_density: float = 0.0) -> Firings:
    return Firings(places(strong), weak, density, weak_density)


def test_f1_is_that_of_the_counts():
    # 1000 tokens, 100 of them firings; one rule holds on 60 of those and on 20 others, one on a single firing only.
    given = firings([[1]], 0.1)
    found = given.f1(np.array([0.6, 1.0]), np.array([0.08, 0.001]), np.zeros(2))
    assert found == pytest.approx([2 * 60 / (100 + 80), 1])


def test_weak_firings_are_not_false_alarms():
    # 50 strong and 100 weak firings in 1000 tokens; the rule holds on 40 strong, 30 weak and 10 silent ones.
    given = firings([[1]], 0.05, weak_density=0.1)
    assert given.f1(np.array([0.8]), np.array([0.08]), np.array([0.3]))[0] == pytest.approx(2 * 40 / (50 + 50))


def test_keys_are_added_as_long_as_they_help():
    rng = np.random.default_rng(0)
    background = KeyIndex(places(rng.integers(0, 50, (5000, 1)).tolist()))
    found = best_rule("current", firings([[3]] * 30 + [[7]] * 20 + [[9]], 0.04), background)
    assert found is not None
    f1, rule = found
    assert rule == Rule("current", (3, 7))
    assert f1 > 0.9


def test_a_common_key_is_not_chosen_for_being_common():
    background = KeyIndex(places([[0]] * 900 + [[1]] * 10 + [[2]] * 90))
    found = best_rule("current", firings([[0]] * 20 + [[1]] * 10, 0.01), background)
    assert found is not None
    assert found[1].keys == (1,)


def test_a_key_that_only_weak_firings_share_is_as_good_as_a_rare_one():
    background = KeyIndex(places([[1]] * 100 + [[2]] * 100 + [[0]] * 800))
    strong = [[1]] * 20 + [[2]] * 20
    found = best_rule("current", firings(strong, 0.02, weak=places([[1]] * 30), weak_density=0.09), background)
    assert found is not None
    assert found[1].keys[0] == 1


def test_what_comes_once_makes_no_rule():
    background = KeyIndex(places([[0]] * 10))
    assert best_rule("current", firings([[1], [2], [NOTHING]], 0.1), background) is None


def test_overlapping_keys_are_not_counted_twice():
    background = KeyIndex(places([[n % 40, NOTHING] for n in range(4000)]))
    found = best_rule("context", firings([[1, 2]] * 30 + [[1, NOTHING]] * 5, 0.02), background)
    assert found is not None
    assert found[1].keys == (1,)
