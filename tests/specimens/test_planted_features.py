"""Planted directions: unit vectors, as sparse as said, and no first weights of a training."""

from itertools import islice

import pytest
import torch
from torch.nn import functional

from hooke.specimens.planted_features import (
    N_ACTIVE,
    N_PLANTED,
    D,
    planted_batch,
    planted_directions,
    planted_stream,
)
from hooke.training import TrainConfig
from hooke.training.weights import first_weights


def test_batches_are_sums_of_a_few_directions():
    directions = planted_directions(1)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(N_PLANTED))
    x = planted_batch(1, 0, 8000) - 0.5
    # The expected squared norm: each direction by itself, and what the mean of all of them adds.
    p, mean, second = N_ACTIVE / N_PLANTED, 4.5, 21.0
    expected = N_PLANTED * p * second + float((directions @ directions.T).sum() - N_PLANTED) * (p * mean) ** 2
    assert float(x.square().sum(1).mean()) == pytest.approx(expected, rel=0.05)


def test_the_stream_can_be_entered_anywhere():
    whole = list(islice(planted_stream(2, 16)(0), 3))
    assert whole[0].shape == (16, D)
    assert torch.equal(next(planted_stream(2, 16)(2)), whole[2])
    assert not torch.equal(whole[0], whole[1])


def test_no_training_begins_with_what_is_planted():
    for seed in range(3):
        config = TrainConfig(n_features=N_PLANTED, n_tokens=1, k=3, seed=seed)
        first = first_weights(config, D, generator=torch.Generator().manual_seed(seed))
        cosines = functional.normalize(first.decoder, dim=1) @ planted_directions(seed).T
        assert float(cosines.amax(0).mean()) < 0.7
