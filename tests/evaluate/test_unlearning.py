"""Forgetting where it is known which feature is of the text to forget."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject
from hooke.evaluate.unlearning import choose, texts_of, unlearning
from hooke.text.documents import Corpus, Document
from hooke.text.windows import WindowConfig
from tests.features.planted import planted_dictionary, planted_model

WINDOWS = WindowConfig(context=16, batch=3)


def corpus() -> Corpus:
    """Music of one source, bridges of another."""

    def read():
        for _ in range(80):
            yield Document("music song album music song album .", "music")
            yield Document("bridge river stone bridge river water .", "prose")

    return Corpus(name="two", fingerprint="two", read=read)


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def test_the_feature_of_the_text_is_chosen_and_only_that_text_suffers(own: Subject):
    texts = texts_of(corpus(), own.model, "music", config=WINDOWS, n_windows=8)
    assert choose(own, texts, 3).tolist() == [1]
    found = unlearning(own, texts, doses=(0.0, 4.0))
    rise = {name: float(one.parts.sum() / one.wholes.sum()) for name, one in found.items()}
    assert rise["rise of loss on other text, dose 0"] == pytest.approx(0, abs=1e-6)
    assert abs(rise["rise of loss on the text to forget, dose 4"]) > 1e-3
    assert all(len(one.parts) == 4 for one in found.values())
    beyond = found["the first beyond the second, dose 4"]
    assert beyond.parts.mean() == pytest.approx(rise["rise of loss on the text to forget, dose 4"], abs=0.05)


def test_without_such_a_feature_nothing_changes(own: Subject):
    texts = texts_of(corpus(), own.model, "prose", config=WINDOWS, n_windows=8)
    weights = {name: weight.data.clone() for name, weight in own.dictionary.named_parameters()}
    weights["b_enc"] = torch.full_like(weights["b_enc"], -100.0)
    silent = Subject("silent", Dictionary(own.dictionary.config, **weights), own.model)
    assert choose(silent, texts, 3).tolist() == []
    assert all(np.abs(one.parts).max() < 1e-6 for one in unlearning(silent, texts).values())


def test_wrong_words(own: Subject):
    with pytest.raises(BadRequest, match="only poetry does not fill 8 windows"):
        texts_of(corpus(), own.model, "poetry", config=WINDOWS, n_windows=8)
    texts = texts_of(corpus(), own.model, "music", config=WINDOWS, n_windows=2)
    weights = {name: weight.data for name, weight in own.dictionary.named_parameters()}
    crossing = Dictionary(replace(own.dictionary.config, reads=("resid_pre.0",)), **weights)
    with pytest.raises(BadRequest, match="Give a dictionary that writes the site that it reads"):
        unlearning(Subject("crossing", crossing, own.model), texts)
