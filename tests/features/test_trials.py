import numpy as np

from hooke.features.labelling import Bench, trial_of
from hooke.features.trials import Passages, has_any


def test_firing_passages_hold_a_firing_and_silent_ones_none(bench: Bench):
    for feature in (0, 2, 3):
        trial = trial_of(bench.held, feature)
        assert trial.is_enough
        assert np.isin(trial.firing.peaks, trial.fires).all()
        for passages in (trial.near, trial.alike, trial.random):
            assert not has_any(trial.fires, passages).any()


def test_firings_come_from_all_strengths(bench: Bench):
    trial = trial_of(bench.held, 0)
    assert {0, 4} <= set(trial.fifths.tolist())
    levels = dict(zip(trial.fires.tolist(), trial.levels.tolist(), strict=True))
    strengths = [levels[peak] for peak in trial.firing.peaks.tolist()]
    assert strengths == sorted(strengths, reverse=True)


def test_passages_stay_in_their_window():
    passages = Passages.around(np.array([0, 15, 16, 40]), 16)
    assert passages.starts.tolist() == [0, 0, 16, 32]
    assert passages.stops.tolist() == [8, 16, 24, 48]
    assert passages[np.array([1])].tokens.tolist() == list(range(16))
    assert len(passages.joined(passages)) == 8


def test_a_feature_that_never_or_always_fires_is_not_tried(bench: Bench):
    assert not trial_of(bench.held, 5).is_enough
    assert not trial_of(bench.held, 4).is_enough
    assert not trial_of(bench.held, 1).is_enough, "every window of 16 tokens has music in it"


def test_a_trial_is_the_same_each_time(bench: Bench):
    first, second = trial_of(bench.held, 2), trial_of(bench.held, 2)
    assert np.array_equal(first.random.peaks, second.random.peaks)
    assert np.array_equal(first.alike.peaks, second.alike.peaks)
