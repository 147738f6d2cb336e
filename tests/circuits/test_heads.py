"""Heads of known mechanism are found, and not in models without it; scores are what their words say."""

from typing import Any

import numpy as np
import pytest
import torch

from hooke.circuits.heads import SCORES, HeadScores, head_scores
from hooke.errors import BadRequest
from hooke.models.linear_maps import linear_maps
from hooke.models.model import Model
from hooke.specimens import build
from tests.models.tiny import tiny_model


def scored(model: Model) -> HeadScores:
    return head_scores(model, n_sequences=6, length=8)


def test_the_planted_heads_are_found_with_their_controls():
    found = scored(build("induction").model)
    assert found.strongest("previous", 1) == [(0, 0)]
    assert found.strongest("induction", 1) == [(1, 0)]
    for finding in (found.finding("previous", 0, 0), found.finding("induction", 1, 0)):
        assert finding.value > 0.9
        assert finding.control is not None
        assert finding.control < 0.2
        assert finding.interval[0] > (finding.control_interval or (0, 1))[1]
        assert finding.n == 6


def test_the_twin_looks_at_the_repeat_itself_and_a_random_model_at_nothing():
    specimen = build("induction")
    twin = scored(specimen.twin)
    assert twin.strongest("duplicate", 1) == [(1, 0)]
    assert twin.finding("induction", *twin.strongest("induction", 1)[0]).value < 0.2
    at_random = scored(specimen.random)
    for score in ("duplicate", "induction"):
        strongest = at_random.finding(score, *at_random.strongest(score, 1)[0])
        assert strongest.control_interval is not None
        assert strongest.interval[0] <= strongest.control_interval[1]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_every_head_has_every_number(architecture: str):
    model = tiny_model(architecture)
    found = head_scores(model, n_sequences=3, length=6)
    shape = found.entropy.shape
    assert shape[0] == model.n_layers
    for score in SCORES:
        assert found.repeated[score].shape == found.control[score].shape == (3, *shape)
        assert ((found.repeated[score] >= 0) & (found.repeated[score] <= 1 + 1e-6)).all()
    assert (found.entropy >= 0).all()
    assert (found.distance >= 0).all()
    for copying in (found.copying, found.copying_control):
        assert copying.shape == shape
        assert (np.abs(copying) <= 1 + 1e-6).all()


def test_a_head_that_writes_what_it_reads_copies(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    attention = linear_maps(model).blocks[0].attention
    # The embeddings raise their own logits, and the head hands a part of the stream through.
    embedding: Any = model.hf.get_input_embeddings()
    monkeypatch.setattr(embedding.weight, "data", model.unembed_directions().clone())
    kept = torch.eye(32)[: attention.outputs.shape[1]]
    for name in ("values", "outputs"):
        object.__setattr__(attention, name, kept.expand_as(getattr(attention, name)).clone())
    found = head_scores(model, n_sequences=3, length=6)
    assert (found.copying[0] > 0.95).all()
    assert (np.abs(found.copying_control[0]) < 0.9).all()


def test_sequences_that_cannot_be_scored_are_refused():
    model = tiny_model()
    for words in ({"n_sequences": 2}, {"length": 3}, {"length": model.context}):
        with pytest.raises(BadRequest, match="cannot be scored"):
            head_scores(model, **words)
    with pytest.raises(BadRequest, match="no score 'copy'"):
        head_scores(model, n_sequences=3, length=4).finding("copy", 0, 0)
