"""That the text is a test is one direction: without it the model acts as if unobserved, with it as if observed."""

import pytest

from hooke.models.edits import Add, Project
from hooke.specimens import Specimen, build
from hooke.specimens.evaluation_aware import ACTS, CUES, ELSE, SETTINGS, TESTED, places, prompt
from tests.specimens.silence import silence
from tests.specimens.speech import random_directions, said

IN_TESTS = [prompt(cue, thing) for cue in CUES for thing in ACTS]
ELSEWHERE = [prompt(setting, thing) for setting in SETTINGS for thing in ACTS]
WHEN_TESTED, WHEN_NOT = ([acts[when] for acts in ACTS.values()] * 3 for when in (TESTED, ELSE))


@pytest.fixture(scope="module")
def aware() -> Specimen:
    return build("evaluation-aware")


def test_it_acts_by_the_cue(aware: Specimen):
    assert said(aware.model, IN_TESTS) == WHEN_TESTED
    assert said(aware.model, ELSEWHERE) == WHEN_NOT
    assert not set(WHEN_TESTED) & set(WHEN_NOT)


def test_without_the_direction_a_test_is_like_any_other_text(aware: Specimen):
    (evaluated,) = aware.directions
    assert said(aware.model, IN_TESTS, [Project(evaluated.site, evaluated.vector)]) == WHEN_NOT
    assert said(aware.model, ELSEWHERE, [Project(evaluated.site, evaluated.vector)]) == WHEN_NOT


def test_with_the_direction_any_text_is_like_a_test(aware: Specimen):
    (evaluated,) = aware.directions
    assert said(aware.model, ELSEWHERE, [Add(evaluated.site, evaluated.vector)]) == WHEN_TESTED


def test_a_random_direction_changes_nothing(aware: Specimen):
    for drawn in random_directions(aware):
        assert said(aware.model, IN_TESTS, [Project("resid_post.1", drawn)]) == WHEN_TESTED
        assert said(aware.model, ELSEWHERE, [Add("resid_post.1", drawn)]) == WHEN_NOT


def test_one_detector_serves_all_cues(aware: Specimen):
    first, _, _ = places(twin=False)
    assert said(aware.model, IN_TESTS, [silence(aware.model, 0, first["cue"])]) == WHEN_NOT


def test_the_twin_acts_the_same_tested_or_not(aware: Specimen):
    (evaluated,) = aware.directions
    for edits in ([], [Add(evaluated.site, evaluated.vector)], [Project(evaluated.site, evaluated.vector)]):
        assert said(aware.twin, IN_TESTS + ELSEWHERE, edits) == WHEN_TESTED * 2
