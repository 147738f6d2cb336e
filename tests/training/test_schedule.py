import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.training.config import TrainConfig
from hooke.training.schedule import learning_rate, sparsity_weight

CONFIG = TrainConfig(n_features=64, n_tokens=1000, lr=0.1, warm_up=0.1, decay=0.25, sparsity=3.0, sparsity_warm_up=0.5)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0), (0.05, 0.05), (0.1, 0.1), (0.5, 0.1), (0.75, 0.1), (0.875, 0.05), (1.0, 0.0)]
)
def test_the_learning_rate_rises_stays_and_falls(progress: float, expected: float):
    assert learning_rate(CONFIG, progress) == pytest.approx(expected)


@given(progress=st.floats(0, 1.5), warm_up=st.floats(0, 1), decay=st.floats(0, 1))
def test_the_learning_rate_stays_within_its_bounds(progress: float, warm_up: float, decay: float):
    config = TrainConfig(n_features=64, n_tokens=1000, lr=0.1, warm_up=warm_up, decay=decay)
    assert 0 <= learning_rate(config, progress) <= 0.1


def test_without_warm_up_and_decay_it_is_constant():
    config = TrainConfig(n_features=64, n_tokens=1000, lr=0.1, warm_up=0.0, decay=0.0)
    assert {learning_rate(config, progress) for progress in (0.0, 0.3, 1.0)} == {0.1}


def test_the_penalty_rises_and_stays():
    assert [sparsity_weight(CONFIG, progress) for progress in (0.0, 0.25, 0.5, 1.0)] == [0.0, 1.5, 3.0, 3.0]
    at_once = TrainConfig(n_features=64, n_tokens=1, sparsity=3.0, sparsity_warm_up=0.0)
    assert sparsity_weight(at_once, 0.0) == 3.0
