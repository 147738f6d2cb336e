import numpy as np
import pytest

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.errors import BadRequest, PromptTooLong, ShapeMismatch
from hooke.features.query import Index
from hooke.features.reading import RawReading, rank, run_text, totals
from tests.features.planted import SITE, World


def test_a_text_is_run_once_with_its_own_tokens(index: Index, world: World):
    raw = run_text(world.model, world.dictionary, "the bridge of music", index.vocabulary)
    assert raw.tokens.tolist() == world.model.tokenizer("the bridge of music")["input_ids"]
    assert raw.counted.tolist() == [False, True, True, True]
    assert raw.activations(0).tolist() == [0, 8, 0, 0]
    assert raw.peaks(6).tolist() == [8, 6, 0, 1, 0.5, 0]


def test_special_tokens_do_not_count(index: Index, world: World):
    raw = run_text(world.model, world.dictionary, "the bridge<|endoftext|>music", index.vocabulary)
    assert raw.counted.tolist() == [False, True, False, True]


def test_padding_is_no_firing():
    raw = RawReading(np.array([1]), np.array([True]), np.array([[2.0, 0.0]]), np.array([[3, 3]]))
    assert [(one.feature, one.value) for one in raw.firings()[0]] == [(3, 2.0)]
    assert raw.peaks(5).tolist() == [0, 0, 0, 2, 0]
    assert raw.activations(3).tolist() == [2]


def test_rare_features_at_their_own_maximum_lead():
    scores = rank(np.array([1.0, 1.0, 0.5, 0.0]), np.ones(4), np.array([0.001, 0.1, 0.001, 0.001]))
    assert np.argsort(-scores).tolist() == [0, 2, 1, 3]
    assert scores[3] == 0


def test_a_feature_that_never_fired_has_a_finite_score():
    assert np.isfinite(rank(np.array([3.0]), np.array([0.0]), np.array([0.0]))).all()


def test_what_the_model_cannot_read_is_refused(index: Index, world: World):
    with pytest.raises(BadRequest):
        index.active_on(world.model, "", dictionary=world.dictionary)
    with pytest.raises(PromptTooLong):
        index.active_on(world.model, "the bridge " * 60, dictionary=world.dictionary)


def test_a_dictionary_of_another_width_is_refused(index: Index, world: World):
    import torch

    config = DictionaryConfig(
        name="x", model="x", kind="relu", reads=(SITE,), writes=(SITE,), n_features=2, d_in=3, d_out=3
    )
    other = Dictionary(
        config, W_enc=torch.zeros(3, 2), b_enc=torch.zeros(2), W_dec=torch.zeros(2, 3), b_dec=torch.zeros(3)
    )
    with pytest.raises(ShapeMismatch):
        index.active_on(world.model, "the bridge", dictionary=other)


def test_totals_are_over_the_tokens_that_count(index: Index, world: World):
    raw = index.raw_reading(world.model, "bridge music bridge river", dictionary=world.dictionary)
    found = totals(raw)
    at = {feature: place for place, feature in enumerate(found.features.tolist())}
    # The first bridge does not count.
    assert (found.max[at[0]], found.sum[at[0]], found.frequency[at[0]]) == (8.0, 10.0, 2)
    assert (found.max[at[1]], found.sum[at[1]], found.frequency[at[1]]) == (6.0, 6.0, 1)
    assert 5 not in at
