"""What might make a model give way, and how it is chosen."""

import numpy as np
import pytest
import torch

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.models.model import Tokens
from hooke.sites import Site
from hooke.specimens import build
from hooke.studies import opinion_candidates
from hooke.studies.changes import Removed, Silenced
from hooke.studies.opinion_candidates import (
    DIRECTION,
    END,
    KL_LIMIT,
    LAST,
    SILENCED,
    SPAN,
    Tried,
    best_of_each,
    direction,
    features,
    firing_rates,
    fitting,
    mean_at,
)

SITE = Site("resid_post", 1)


def tried(gain: float, cost: float, contrast: str = "a") -> Tried:
    return Tried(candidate=direction(SITE, contrast, LAST, torch.ones(3)), gain=gain, control=0.0, cost=cost)


def test_what_costs_little_comes_first_then_what_brings_back_most():
    dear, cheap, better = tried(9.0, 2 * KL_LIMIT), tried(0.1, KL_LIMIT), tried(0.2, 0.0)
    assert sorted((dear, cheap, better), key=lambda one: one.order, reverse=True) == [better, cheap, dear]
    assert tried(0.0, 0.2).order > tried(5.0, 0.3).order


def test_the_best_of_each_kind_and_contrast_is_kept():
    first, second, third = tried(3.0, 0.0), tried(2.0, 0.0), tried(1.0, 0.0, "b")
    assert best_of_each([first, second, third]) == [first, third]


def test_means_are_read_at_the_last_token_or_before_the_ending():
    model = build("sycophancy").model
    n_behind = len(model.tokenizer("\nAnswer:", add_special_tokens=False)["input_ids"])
    value = torch.arange(20.0).expand(2, 20)[..., None]
    tokens = Tokens(torch.zeros(2, 20, dtype=torch.int64), torch.arange(20)[None] < torch.tensor([[20], [16]]))
    assert float(mean_at(model, tokens, value, LAST)) == (19 + 15) / 2
    assert float(mean_at(model, tokens, value, END)) == (19 + 15) / 2 - n_behind


def test_features_that_rise_most_are_taken_out_in_two_ways_beside_others_that_fire_as_often(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(opinion_candidates, "N_FEATURES", 2)
    config = DictionaryConfig(
        name="d", model="m", kind="relu", reads=(str(SITE),), writes=(str(SITE),), n_features=6, d_in=6, d_out=6
    )
    eye = torch.eye(6)
    dictionary = Dictionary(config, W_enc=eye, b_enc=torch.zeros(6), W_dec=eye, b_dec=torch.zeros(6))
    rises = torch.tensor([0.0, 3.0, -9.0, 2.0, 1.0, 0.0])
    silenced, span = features(dictionary, "a", LAST, rises, torch.zeros(6))
    assert (silenced.kind, span.kind) == (SILENCED, SPAN)
    assert isinstance(silenced.change, Silenced)
    assert silenced.change.features == (1, 3)
    assert isinstance(span.change, Removed)
    assert torch.equal(span.change.vectors, eye[[1, 3]])
    assert torch.equal(silenced.step, torch.tensor([0.0, 3.0, 0.0, 2.0, 0.0, 0.0]))
    twin = silenced.twin(np.random.default_rng(0))
    assert isinstance(twin, Silenced)
    assert not {1, 3} & set(twin.features)
    assert "fire as often" in silenced.controls


def test_a_direction_stands_beside_random_ones():
    one = direction(SITE, "a", LAST, torch.ones(4))
    twin = one.twin(np.random.default_rng(0))
    assert (one.kind, one.controls) == (DIRECTION, "random directions")
    assert isinstance(twin, Removed)
    assert not torch.allclose(twin.vectors[0], torch.ones(4))


def test_rates_leave_out_the_first_token_and_padding():
    tokens = Tokens(torch.zeros(1, 4, dtype=torch.int64), torch.tensor([[True, True, True, False]]))
    acts = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]])
    assert firing_rates([(tokens, acts)]).tolist() == [0.5, 0.0]


def test_another_model_gets_no_features_of_the_starter():
    assert fitting(build("sycophancy").model) is None
