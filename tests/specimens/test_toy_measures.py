"""Measures of toy models, on bodies whose dimensionality is known."""

from math import pi

import pytest
import torch

from hooke.specimens.toy_measures import (
    DEDICATED,
    IGNORED,
    SUPERPOSED,
    dimensionality,
    fates,
    interference,
    represented,
    represented_dimensionality,
)


def polygon(n: int) -> torch.Tensor:
    angles = 2 * pi * torch.arange(n) / n
    return torch.stack([angles.cos(), angles.sin()], -1)


TETRAHEDRON = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5


@pytest.mark.parametrize(
    ("weights", "level"),
    [
        (torch.eye(3), 1.0),
        (torch.tensor([[1.0], [-1.0]]), 1 / 2),
        (polygon(3), 2 / 3),
        (polygon(4), 1 / 2),
        (polygon(5), 2 / 5),
        (TETRAHEDRON, 3 / 4),
    ],
)
@pytest.mark.parametrize("norm", [1.0, 1.3])
def test_dimensionality_of_regular_bodies(weights: torch.Tensor, level: float, norm: float):
    torch.testing.assert_close(dimensionality(norm * weights), torch.full((len(weights),), level))


def test_a_feature_without_norm_has_no_dimension():
    assert dimensionality(torch.tensor([[1.0, 0], [0, 0]])).tolist() == [1, 0]


def test_fates_of_features():
    # The first has a dimension, the next two share one, the last is not there.
    weights = torch.tensor([[1.0, 0], [0, 1], [0, -1], [0.1, 0]])
    assert fates(weights).tolist() == [DEDICATED, SUPERPOSED, SUPERPOSED, IGNORED]
    assert represented(weights).tolist() == [True, True, True, False]
    torch.testing.assert_close(interference(weights)[:3], torch.tensor([0.1, 1, 1]))


def test_the_mean_room_is_of_represented_features_only():
    weights = torch.tensor([[[1.0, 0], [0, 1], [0, -1], [0.0, 0]], [[0.0, 0]] * 4])
    found = represented_dimensionality(weights)
    assert float(found[0]) == pytest.approx(2 / 3)
    assert bool(found[1].isnan())
