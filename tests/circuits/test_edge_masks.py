"""Masks that are learnt leave the planted edges open and shut the others."""

import numpy as np
import pytest

from hooke.circuits.edge_masks import learn_masks
from hooke.circuits.pairs import open_pairs
from hooke.errors import BadRequest
from hooke.specimens import build
from tests.circuits.test_edge_scores import found_first


@pytest.mark.parametrize("name", ["two-hop", "induction"])
def test_the_planted_edges_stay_open(name: str):
    specimen = build(name)
    pairs = open_pairs(specimen.model, specimen.pairs)
    scores = learn_masks(specimen.model, pairs, n_steps=120)
    assert found_first(scores, specimen.circuit) == 1
    again = learn_masks(specimen.model, pairs, n_steps=3)
    np.testing.assert_array_equal(again.mean, learn_masks(specimen.model, pairs, n_steps=3).mean)
    with pytest.raises(BadRequest, match="in 0 steps"):
        learn_masks(specimen.model, pairs, n_steps=0)
