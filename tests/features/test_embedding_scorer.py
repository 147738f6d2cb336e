import pytest

from hooke.errors import BadRequest
from hooke.features import embedding_scorer as module
from hooke.features.drafts import Draft
from hooke.features.embedding_scorer import EmbeddingScorer, installed_encoder
from hooke.features.encoders import Spelling
from hooke.features.labelling import Bench, trial_of


def test_a_label_near_its_passages_scores_above_strangers(bench: Bench):
    scorer = EmbeddingScorer(Spelling(), bench.held.evidence, bench.vocabulary)
    label = Draft(feature=3, text="bridge", source="m", kind="text")
    strangers = [Draft(feature=1, text=text, source="m", kind="text") for text in ("piano", "zebra", "42 and 7")]
    score = scorer.score(label, trial_of(bench.held, 3), strangers)
    assert score is not None
    assert score.null is not None
    assert score.value > max(0.7, score.null)
    assert score.judge == "spelling"


def test_what_the_encoder_does_not_know_has_no_score(bench: Bench):
    scorer = EmbeddingScorer(Spelling(), bench.held.evidence, bench.vocabulary)
    label = Draft(feature=3, text="7 42 .", source="m", kind="text")
    assert scorer.score(label, trial_of(bench.held, 3), []) is None


def test_without_word_vectors_it_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "has_static", lambda: False)
    with pytest.raises(BadRequest, match=r"pip install 'hooke\[meaning\]'"):
        installed_encoder()
