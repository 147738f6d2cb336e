"""Attacks: what a worst input does to weights set by hand, and to trained ones."""

import pytest
import torch
from torch import Generator

from hooke.specimens.toy_attack import LENGTH, attacked, attacks
from hooke.specimens.toy_claims import Effort
from hooke.specimens.toy_models import Toys


def test_the_worst_input_is_found():
    # One feature of weight 1 passes an attack of length l on as l², at most; one of weight 2 reads it back four times.
    weights = torch.tensor([[[1.0]], [[2.0]]])
    toys = Toys(
        weights=weights,
        bias=torch.zeros(2, 1),
        is_linear=torch.ones(2, dtype=torch.bool),
        losses=torch.zeros(2),
    )
    worst, by_chance = attacked(toys, torch.zeros(2, 8, 1), generator=Generator().manual_seed(0))
    assert worst.tolist() == pytest.approx([LENGTH**2, (4 * LENGTH) ** 2])
    assert by_chance.tolist() == pytest.approx(worst.tolist())


def test_features_that_share_dimensions_are_easier_to_attack():
    by_claim = {one.finding.claim: one.finding for one in attacks(effort=Effort(steps=0.2, seeds=0.5)).claims}
    shared = by_claim["rise of the error under attack, density 0.12"]
    assert shared.control is not None
    assert shared.value > 3 * shared.control
    dense = by_claim["rise of the error under attack, density 1"]
    assert dense.control is not None
    assert dense.value < 3 * dense.control
    assert by_claim["features per dimension, density 0.35"].value > 1.3
