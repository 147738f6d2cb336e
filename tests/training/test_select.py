import pytest
import torch
from torch.nn import functional

from hooke.training.config import TrainConfig
from hooke.training.select import Active, new_buffer, select
from tests.dictionaries.test_dictionary import inputs
from tests.training.test_weights import config, scrambled

X = functional.pad(inputs(30, 6), (0, 1), value=1.0)


def chosen(asked: TrainConfig, rows: int = 30, last_threshold: float = 0.0) -> Active:
    with torch.no_grad():
        buffer = torch.empty(rows, asked.n_features)
        return select(scrambled(asked, 6), X, asked, buffer=buffer, last_threshold=last_threshold)


def pre(asked: TrainConfig) -> torch.Tensor:
    weights = scrambled(asked, 6)
    return X @ weights.encoder.t()


@pytest.mark.parametrize("rows", [1, 7, 30, 64])
@pytest.mark.parametrize("kind", ["relu", "topk", "batchtopk", "jumprelu"])
def test_pieces_of_any_size_choose_the_same_pairs_in_order_of_tokens(kind: str, rows: int):
    asked = config(kind)
    found, whole = chosen(asked, rows), chosen(asked)
    assert torch.equal(found.tokens, whole.tokens)
    assert torch.equal(found.features, whole.features)
    assert bool((found.tokens.diff() >= 0).all())
    torch.testing.assert_close(found.pre, pre(asked)[found.tokens, found.features])


def test_topk_gives_each_token_k_pairs():
    assert torch.bincount(chosen(config("topk")).tokens).tolist() == [3] * 30


@pytest.mark.parametrize("last_threshold", [0.0, 0.1, 1.0, 100.0])
def test_batchtopk_takes_the_largest_of_the_batch(last_threshold: float):
    asked = config("batchtopk")
    found = chosen(asked, last_threshold=last_threshold)
    expected = pre(asked).flatten().sort(descending=True).values[:90]
    torch.testing.assert_close(found.pre.sort(descending=True).values, expected)
    assert found.threshold == pytest.approx(float(expected[-1]))


def test_batchtopk_never_takes_a_negative_one():
    found = chosen(config("batchtopk", k=40), last_threshold=1.0)
    assert float(found.pre.min()) > 0
    assert found.threshold == 0.0
    assert len(found.pre) == int((pre(config("batchtopk")) > 0).sum())


def test_jumprelu_takes_what_is_above_and_what_is_near_below():
    asked = config("jumprelu", bandwidth=0.4)
    weights = scrambled(asked, 6)
    assert weights.log_threshold is not None
    mask = pre(asked) > weights.log_threshold.exp() - 0.2
    found = chosen(asked)
    assert torch.equal(torch.stack([found.tokens, found.features], 1), mask.nonzero())


def test_the_buffer_is_bounded_for_wide_dictionaries():
    assert new_buffer(TrainConfig(n_features=64, n_tokens=1, batch=100)).shape == (100, 64)
    assert new_buffer(TrainConfig(n_features=2**20, n_tokens=1, batch=4096)).shape[0] == 16
    assert new_buffer(TrainConfig(n_features=4608, n_tokens=1, batch=4096)).shape[0] == 2048
