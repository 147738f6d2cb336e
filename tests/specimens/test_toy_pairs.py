"""Pairs of features: antipodal where they are never present together."""

import torch

from hooke.specimens.toy_claims import Effort
from hooke.specimens.toy_pairs import cosines_within, pairs


def test_cosines_are_within_pairs():
    weights = torch.tensor([[[1.0, 0], [-2, 0], [0, 1], [3, 0]]])
    assert cosines_within(weights).tolist() == [[-1, 0]]


def test_what_is_never_together_shares_a_line():
    by_claim = {one.finding.claim: one.finding for one in pairs(effort=Effort(steps=0.35, seeds=0.4)).claims}
    anti = by_claim["share of anticorrelated pairs that are antipodal"]
    together = by_claim["share of correlated pairs that are antipodal"]
    assert anti.interval[0] > together.interval[1]
    assert anti.value > (anti.control or 0)
    loss = by_claim["loss on anticorrelated pairs"]
    assert loss.control is not None
    assert loss.value < loss.control / 2
