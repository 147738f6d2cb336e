"""Runs of features by place."""

import pytest
import torch

from hooke.circuits.basis import Features, by_place


def test_features_of_a_place_lie_together():
    layer, position = torch.tensor([0, 1, 0, 2, 2]), torch.tensor([0, 0, 1, 1, 1])
    features = Features(layer, position, torch.arange(5), torch.ones(5))
    assert by_place(features, 2, 2, layer == 2) == [(1, slice(3, 5))]
    assert by_place(features, 0, 2, layer <= 1) == [(0, slice(0, 2)), (1, slice(2, 3))]
    with pytest.raises(ValueError, match="together"):
        by_place(features, 1, 2, torch.tensor([False, False, True, False, True]))
