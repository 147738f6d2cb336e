"""Controls of concept features: neurons, random directions of the same firing rate, words alone."""

import numpy as np
import pytest
import torch

from hooke.evaluate.concept_controls import NEURONS, RANDOM, alike, measured, pooled, random_units, word_scores
from hooke.models.neurons import neurons_of
from tests.features.planted import planted_dictionary, planted_model

TEXTS = ["the music of the song", "the bridge", "of 42 and 7 of 7 .", "the album and the river"]


def test_texts_as_the_largest_and_the_mean_activation_without_the_first_token():
    model = planted_model()
    dictionary = planted_dictionary(model)
    found = measured(dictionary, model, TEXTS)
    n = dictionary.n_features
    assert found.own.shape == (4, 2 * n)
    assert found.own[0, [1, n + 1]] == pytest.approx([6, (6 + 3) / 4])
    assert found.own[1, 0] == 8
    # 'of' begins the third text, and feature 4 fires on it: it is left out.
    assert found.own[2, [4, n + 4]] == pytest.approx([0.5, 0.5])
    assert set(found.controls) == {RANDOM, NEURONS}
    assert len(found.reads[0]) == 4


def test_neurons_are_no_control_of_neurons():
    model = planted_model()
    assert set(measured(neurons_of(model, 0), model, TEXTS).controls) == {RANDOM}


def test_random_directions_fire_on_as_many_tokens():
    generator = torch.Generator().manual_seed(0)
    reads = [torch.randn(5, 8, generator=generator) + 3 for _ in range(6)]
    # A text of one token each: where it fires is where its largest activation is above zero.
    alone = [row[None] for one in reads for row in one]
    counts = torch.tensor([0, 1, 7, 30])
    found = random_units(alone, counts, generator=generator)
    assert (found[:, :4] > 0).sum(0).tolist() == [0, 1, 7, 29]
    assert found[:, 4:] == pytest.approx(found[:, :4])
    together = random_units(reads, counts, generator=generator)
    assert (together[:, 4:] <= together[:, :4] + 1e-6).all()


def test_a_probe_of_words_sees_the_words_of_the_first_groups_only():
    texts = ["good day", "bad day", "good night", "bad night", "fine day", "foul day"]
    labels, fitted = np.array([True, False] * 3), np.array([True] * 4 + [False] * 2)
    scores = word_scores(texts, labels, fitted)[:, 0]
    assert scores[2] > scores[3]
    assert scores[4] == pytest.approx(scores[5])


def test_features_that_fire_as_often_do_not_include_the_one_at_hand():
    rates = np.array([0.1, 0.5, 0.11, 0.49, 0.9])
    assert alike(rates, 0, np.arange(5), 1).tolist() == [2]
    assert alike(rates, 1, np.arange(5), 2).tolist() == [3, 2]


def test_pooling_is_of_all_tokens_given():
    model = planted_model()
    rows = torch.eye(model.d_model)[: model.d_vocab]
    assert pooled(planted_dictionary(model), [rows])[0, 0] == 8
