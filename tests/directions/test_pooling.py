"""Pooling: what is known at a token, held against the same written out over all tokens."""

import math

import numpy as np
import pytest

from hooke.directions.pooling import Pooling, Running, running
from hooke.errors import BadConfig

SCORES = [0.5, -1.0, 3.0, 2.0, -4.0, 1.0]
WEIGHTS = [0.0, 2.0, -1.0, 500.0, 499.0, 0.0]


def _softmax(logits: list[float]) -> np.ndarray:
    shifted = np.exp(np.array(logits) - max(logits))
    return shifted / shifted.sum()


def test_each_kind_is_what_it_says_at_every_token() -> None:
    for n in range(1, len(SCORES) + 1):
        seen = SCORES[:n]
        rolled = [np.mean(seen[max(0, at - 1) : at + 1]) for at in range(min(n, 2) - 1, n)]
        expected = {
            "last": seen[-1],
            "mean": np.mean(seen),
            "max": max(seen),
            "rolling": max(rolled),
            "softmax": float(_softmax([2 * one for one in seen]) @ np.array(seen)),
        }
        for how, value in expected.items():
            pooling = Pooling(how=how, window=2, temperature=0.5)  # pyright: ignore[reportArgumentType]
            assert running(seen, pooling)[-1] == pytest.approx(value, abs=1e-12), how
        found = running(seen, Pooling(how="attention"), WEIGHTS[:n])[-1]
        assert found == pytest.approx(float(_softmax(WEIGHTS[:n]) @ np.array(seen)), abs=1e-12)


def test_the_moving_average_starts_as_a_mean_and_then_forgets() -> None:
    found = running([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], Pooling(how="ema", window=3))
    assert found[:3] == pytest.approx([1, 1, 0.5])
    assert found[3:] == pytest.approx([0.25, 0.125, 0.0625])


def test_nothing_is_known_before_the_first_token() -> None:
    assert math.isnan(Running(Pooling()).score)
    assert running([], Pooling()) == []


@pytest.mark.parametrize("settings", [{"window": 0}, {"temperature": 0.0}, {"temperature": math.nan}])
def test_impossible_poolings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(BadConfig, match="impossible"):
        Pooling(**settings)  # pyright: ignore[reportArgumentType]
