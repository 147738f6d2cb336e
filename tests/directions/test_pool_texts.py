"""Pooling of many texts is pooling token by token."""

from typing import get_args

import pytest
import torch

from hooke.directions.pool_texts import padded, pool
from hooke.directions.pooling import How, Pooling, running

LENGTHS = torch.tensor([1, 2, 4, 5, 9, 30])


@pytest.mark.parametrize("how", get_args(How))
def test_what_is_pooled_at_once_is_what_a_monitor_pools(how: How) -> None:
    generator = torch.Generator().manual_seed(0)
    flat, second = (torch.randn(int(LENGTHS.sum()), generator=generator) for _ in range(2))
    pooling = Pooling(how=how, window=4, temperature=0.5)
    found = pool(padded(flat, LENGTHS), LENGTHS, pooling, padded(second, LENGTHS))
    texts = zip(flat.split(LENGTHS.tolist()), second.split(LENGTHS.tolist()), strict=True)
    expected = [running(one.tolist(), pooling, weights.tolist())[-1] for one, weights in texts]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", get_args(How))
def test_derivatives_are_finite(how: How) -> None:
    flat = torch.randn(int(LENGTHS.sum()), generator=torch.Generator().manual_seed(0), requires_grad=True)
    scores = padded(flat, LENGTHS)
    pool(scores, LENGTHS, Pooling(how=how, window=4), scores).sum().backward()
    assert flat.grad is not None
    assert bool(torch.isfinite(flat.grad).all())
