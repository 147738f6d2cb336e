"""Methods of discovery by name."""

import numpy as np
import pytest

from hooke.circuits.discover import METHODS, DiscoverSettings, discover, random_scores
from hooke.circuits.pairs import open_pairs
from hooke.errors import UnknownName
from hooke.specimens import build


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_scores_every_edge_and_nothing_else(method: str):
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs[:3])
    scores = discover(specimen.model, pairs, DiscoverSettings(method=method, steps=2, mask_steps=2))
    assert scores.method == method
    assert not scores.mean[~scores.graph.exists.numpy()].any()
    assert np.isfinite(scores.by_pair).all()


def test_random_scores_follow_their_seed():
    model = build("two-hop").model
    one, same, other = (random_scores(model, seed=seed).mean for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_method_that_is_not_there_is_named():
    with pytest.raises(UnknownName, match="Did you mean 'eap'"):
        DiscoverSettings(method="eapp")
