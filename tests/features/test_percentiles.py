import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.features.card import Histogram
from hooke.features.percentiles import quantiles, share_below


def histogram(counts: list[int]) -> Histogram:
    edges = np.exp2(np.arange(len(counts) + 1) / 2)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts))


def test_edges_have_the_shares_of_the_bins_below_them():
    shares = share_below(histogram([1, 0, 3]), np.exp2(np.arange(4) / 2))
    assert shares.tolist() == pytest.approx([0, 0.25, 0.25, 1])


def test_what_is_outside_is_nothing_or_everything():
    assert share_below(histogram([1, 1]), [0.001, 0.0, 99.0]).tolist() == [0, 0, 1]


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any), st.floats(0.01, 0.99))
def test_a_quantile_has_its_share_below_it(counts: list[int], share: float):
    made = histogram(counts)
    (value,) = quantiles(made, [share])
    assert share_below(made, [value])[0] == pytest.approx(share, abs=1e-6)


def test_a_feature_that_never_fired_has_none():
    assert np.isnan(share_below(histogram([0, 0]), [1.0])).all()
    assert quantiles(histogram([0, 0]), [0.5]) == []
