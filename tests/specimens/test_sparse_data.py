"""Sparse inputs: densities, values, and how the features of a pair are related."""

import pytest
import torch
from torch import Generator

from hooke.errors import BadRequest
from hooke.specimens.sparse_data import independent, paired

DENSITY = torch.tensor([0.05, 0.4])


def drawn(draw, batch: int = 20_000) -> torch.Tensor:
    return draw(batch, Generator().manual_seed(3))


def test_independent_features_are_as_dense_as_asked_and_uniform_where_present():
    x = drawn(independent(DENSITY, 3))
    torch.testing.assert_close((x > 0).float().mean(1), DENSITY[:, None].expand(2, 3), atol=0.015, rtol=0)
    there = x[1][x[1] > 0]
    assert float(there.max()) <= 1
    assert float(there.mean()) == pytest.approx(1 / 2, abs=0.01)
    assert float(there.var()) == pytest.approx(1 / 12, abs=0.003)
    both = ((x[1, :, 0] > 0) & (x[1, :, 1] > 0)).float().mean()
    assert float(both) == pytest.approx(0.16, abs=0.01)


@pytest.mark.parametrize(("relation", "both"), [("independent", 0.16), ("correlated", 0.4), ("anticorrelated", 0.0)])
def test_pairs_are_related_as_asked(relation: str, both: float):
    x = drawn(paired(DENSITY, 2, relation)) > 0
    torch.testing.assert_close(x.float().mean(1), DENSITY[:, None].expand(2, 4), atol=0.015, rtol=0)
    assert float((x[1, :, 0] & x[1, :, 1]).float().mean()) == pytest.approx(both, abs=0.01)
    # Pairs do not know of each other.
    assert float((x[1, :, 0] & x[1, :, 2]).float().mean()) == pytest.approx(0.16, abs=0.01)


def test_correlated_features_have_values_of_their_own():
    x = drawn(paired(DENSITY, 1, "correlated"))[1]
    there = x[x[:, 0] > 0]
    assert abs(float(torch.corrcoef(there.T)[0, 1])) < 0.05


@pytest.mark.parametrize("density", [0.0, -0.1, 1.5, float("nan")])
def test_a_density_that_is_no_share_is_refused(density: float):
    with pytest.raises(BadRequest, match="share of inputs"):
        independent(torch.tensor([density]), 2)


def test_impossible_pairs_are_refused():
    with pytest.raises(BadRequest, match="no relation 'twinned'"):
        paired(DENSITY, 2, "twinned")
    with pytest.raises(BadRequest, match="never present together"):
        paired(torch.tensor([0.6]), 2, "anticorrelated")
