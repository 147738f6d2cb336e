"""Kinds of dictionaries on planted data: training finds directions that chance does not."""

import pytest
import torch

from hooke.errors import BadRequest
from hooke.evaluate.planted_recovery import KINDS, matched, nearest, recover_planted


def test_the_nearest_row_counts_whatever_its_length():
    directions = torch.tensor([[1.0, 0], [0, 1]])
    rows = torch.tensor([[5.0, 0], [-3, 0], [1, 1]])
    assert nearest(directions, rows).tolist() == pytest.approx([1, 0.5**0.5])


def test_a_row_is_matched_once_and_the_sum_decides():
    directions = torch.tensor([[1.0, 0], [0.8, 0.6]])
    # Both are nearest to the first row; the second direction leaves it to the first and still loses less.
    rows = torch.tensor([[2.0, 0], [0, 1]])
    assert nearest(directions, rows).tolist() == pytest.approx([1, 0.8])
    assert matched(directions, rows).tolist() == pytest.approx([1, 0.6])
    # Greedy would give the first direction its nearest, 1, and the second what is left, -0.6.
    assert matched(torch.tensor([[1.0, 0], [0.8, 0.6]]), torch.tensor([[1.0, 0], [0, -1]])).tolist() == [
        pytest.approx(0),
        pytest.approx(0.8),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_training_finds_what_chance_does_not(kind: str):
    found, cosine, own = recover_planted(kind, n_steps=600)
    assert found.control_interval is not None
    assert cosine.control_interval is not None
    assert cosine.interval[0] > cosine.control_interval[1] + 0.1
    assert cosine.control is not None
    assert cosine.control < 0.6
    assert found.control == 0
    assert own.value <= cosine.value
    assert own.control_interval is not None
    assert own.interval[0] > own.control_interval[1] + 0.1


def test_more_training_finds_nearly_all():
    found, *_ = recover_planted("topk", n_steps=600)
    assert found.value > 0.7


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(BadRequest, match="'neurons' cannot be trained"):
        recover_planted("neurons")
