import numpy as np
import pytest

from hooke.features.drafts import Draft
from hooke.features.judges import RuleJudge
from hooke.features.labelling import Bench, trial_of
from hooke.features.scorers import JUDGED, Judged, Scorer, score_of
from tests.features.test_judges import draft

CHANCE = {"detection": 0.5, "fuzzing": 0.5, "intruder": 0.2, "simulation": 0.0}


@pytest.fixture(params=sorted(JUDGED))
def scorer(request: pytest.FixtureRequest, bench: Bench) -> Judged:
    return Judged(request.param, JUDGED[request.param], RuleJudge(bench.held))


def test_the_true_label_scores_high_and_strangers_at_chance(bench: Bench, scorer: Judged):
    assert isinstance(scorer, Scorer)
    strangers = [draft(bench, word) for word in ("piano", "paris", "of", "stone")] * 6
    score = scorer.score(draft(bench, "bridge", "river"), trial_of(bench.held, 0), strangers)
    assert score is not None
    assert score.value > 0.9 if scorer.name != "simulation" else score.value > 0.7
    assert score.interval[0] <= score.value <= score.interval[1]
    assert score.null is not None
    assert abs(score.null - CHANCE[scorer.name]) < 0.15
    assert score.beats_null
    assert score.n >= 8


def test_a_stranger_does_not_beat_strangers(bench: Bench, scorer: Judged):
    strangers = [draft(bench, word) for word in ("piano", "paris", "of", "stone", "and", "7")] * 4
    score = scorer.score(draft(bench, "water"), trial_of(bench.held, 0), strangers)
    assert score is not None
    assert not score.beats_null


def test_a_feature_that_fires_too_rarely_has_no_score(bench: Bench, scorer: Judged):
    assert scorer.score(draft(bench, "bridge"), trial_of(bench.held, 5), []) is None


def test_detection_says_what_it_misses_and_where_it_is_wrong(bench: Bench):
    scorer = Judged("detection", JUDGED["detection"], RuleJudge(bench.held))
    score = scorer.score(draft(bench, "bridge"), trial_of(bench.held, 0), [])
    assert score is not None
    # Feature 0 fires strongly on 'bridge' and weakly on 'river'.
    assert score.detail["recall 1"] == 1
    assert score.detail["recall 5"] < 0.5
    assert score.detail["random"] == 0


class Mute:
    """A judge that never answers."""

    name, n_passages = "mute", 20

    def contains(self, label, passages):
        return np.full(len(passages), np.nan)

    def fits(self, label, passages, marks):
        return np.full(len(passages), np.nan)

    def odd(self, label, passages, of):
        return np.full(len(passages), np.nan)

    def strengths(self, label, passages):
        return None


@pytest.mark.parametrize("name", sorted(JUDGED))
def test_a_judge_that_never_answers_gives_no_score(bench: Bench, name: str):
    label = Draft(feature=0, text="x", source="m", kind="text")
    assert Judged(name, JUDGED[name], Mute()).score(label, trial_of(bench.held, 0), []) is None


def test_the_spread_of_few_nulls_is_not_said():
    measured = (0.7, (0.6, 0.8), 50, {})
    assert score_of("detection", "m", measured, [0.5]).null_interval is None
    assert score_of("detection", "m", measured, [0.5] * 20).null_interval == (0.5, 0.5)
    assert score_of("detection", "m", measured, []).null is None
    assert not score_of("detection", "m", measured, []).beats_null
