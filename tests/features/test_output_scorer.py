import dataclasses

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.features import output_scorer as module
from hooke.features.drafts import Draft
from hooke.features.labelling import Bench, trial_of
from hooke.features.output_scorer import OutputScorer
from tests.features.planted import World


@pytest.fixture
def scorer(bench: Bench, world: World, monkeypatch: pytest.MonkeyPatch) -> OutputScorer:
    monkeypatch.setattr(module, "BEGINNINGS", ("the river of", "stone and"))
    maxima = np.full(6, 8, np.float32)
    return OutputScorer(world.model, world.dictionary, bench.held.evidence, bench.vocabulary, maxima)


def test_a_label_of_what_is_promoted_scores_high(bench: Bench, scorer: OutputScorer):
    # Feature 2 writes towards '42' and '7'; words are letters only, so take feature 1: music, song, album.
    strangers = [Draft(feature=0, text=word, source="m", kind="text") for word in ("piano", "stone", "water")]
    score = scorer.score(Draft(feature=1, text="music", source="m", kind="text"), trial_of(bench.held, 1), strangers)
    assert score is not None
    assert score.null is not None
    assert score.value > 0.9 > score.null


def test_a_label_without_words_of_the_vocabulary_has_none(bench: Bench, scorer: OutputScorer):
    assert scorer.score(Draft(feature=1, text="zebras", source="m", kind="text"), trial_of(bench.held, 1), []) is None


def test_a_dictionary_that_does_not_write_to_the_stream_is_refused(bench: Bench, world: World):
    from hooke.dictionaries.dictionary import Dictionary

    config = dataclasses.replace(world.dictionary.config, writes=("mlp_out.0",))
    weights = {name: getattr(world.dictionary, name).detach() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
    with pytest.raises(BadRequest, match="steers along"):
        OutputScorer(
            world.model, Dictionary(config, **weights), bench.held.evidence, bench.vocabulary, np.ones(6, np.float32)
        )
