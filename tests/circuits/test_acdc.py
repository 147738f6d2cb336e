"""ACDC keeps the planted edges of a specimen and no others."""

import pytest
import torch

from hooke.circuits.acdc import acdc, divergence
from hooke.circuits.pairs import open_pairs
from hooke.errors import BadRequest
from hooke.specimens import build
from tests.models.tiny import tiny_model


@pytest.mark.parametrize("name", ["two-hop", "induction", "gated-refusal"])
def test_what_is_kept_is_what_was_planted(name: str):
    specimen = build(name)
    scores = acdc(specimen.model, open_pairs(specimen.model, specimen.pairs))
    assert set(scores.graph.names(torch.from_numpy(scores.mean) > 0)) == set(specimen.circuit)


def test_divergence_is_that_of_kullback_and_leibler():
    clean, found = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.25, 0.75]]).log()
    assert divergence(clean, clean) == 0
    assert divergence(clean, found) == pytest.approx(0.5 * 0.6931 + 0.5 * -0.4055, abs=1e-3)


def test_too_many_edges_and_no_threshold_are_refused():
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs)
    with pytest.raises(BadRequest, match="at most 5000 are visited"):
        acdc(tiny_model("llama", num_hidden_layers=30), pairs)
    with pytest.raises(BadRequest, match="keeps every edge"):
        acdc(specimen.model, pairs, threshold=0.0)
