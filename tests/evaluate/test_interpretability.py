"""Rules for features whose meaning was planted, and for features that have none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.errors import BadRequest
from hooke.evaluate.interpretability import CLAIMS, interpretability
from hooke.evaluate.quality import Subject
from hooke.evaluate.random_dictionary import random_features
from hooke.text.windows import WindowConfig
from tests.features.planted import planted_corpus, planted_dictionary, planted_model

WINDOWS = WindowConfig(context=32, batch=3)
MADE, HELD = planted_corpus(60), planted_corpus(60, seed=1, name="held")


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def score(subject: Subject) -> dict[str, np.ndarray]:
    found = interpretability(subject, MADE, HELD, windows=WINDOWS, n_features=6, n_tokens=1_500)
    assert tuple(found) == CLAIMS
    return {name: one.parts[one.wholes > 0] for name, one in found.items()}


def test_features_of_single_words_have_rules_that_others_have_not(own: Subject):
    found = score(own)
    assert len(found[CLAIMS[0]]) >= 3
    assert found[CLAIMS[0]].max() > 0.95
    assert found[CLAIMS[1]].min() > 0.1


def test_random_features_have_weaker_rules(own: Subject):
    x = torch.eye(own.model.d_model)
    generator = torch.Generator().manual_seed(0)
    drawn = random_features(replace(own.dictionary.config, n_features=24), 4, x, x, generator=generator)
    assert score(Subject("random", drawn, own.model))[CLAIMS[1]].mean() < score(own)[CLAIMS[1]].mean()


def test_one_text_is_not_enough(own: Subject):
    with pytest.raises(BadRequest, match="Give two different texts"):
        interpretability(own, MADE, MADE, windows=WINDOWS)
