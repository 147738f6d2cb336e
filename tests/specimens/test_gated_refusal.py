"""Refusing goes through one direction: without it harmful things are answered, with it harmless ones are refused."""

import pytest

from hooke.models.edits import Add, Edit, Project
from hooke.specimens import Specimen, build
from hooke.specimens.gated_refusal import FRAMES, HARMFUL, HARMLESS, MADE_OF, SORRY, places
from tests.specimens.silence import silence
from tests.specimens.speech import random_directions, said

HARMFUL_ASKED = [frame.format(thing) for frame in FRAMES for thing in HARMFUL]
HARMLESS_ASKED = [frame.format(thing) for frame in FRAMES for thing in HARMLESS]
RECIPES = [MADE_OF[thing] for _ in FRAMES for thing in HARMFUL]


@pytest.fixture(scope="module")
def refusal() -> Specimen:
    return build("gated-refusal")


def along(specimen: Specimen, kind: str) -> Edit:
    (planted,) = specimen.directions
    return Project(planted.site, planted.vector) if kind == "ablate" else Add(planted.site, planted.vector)


def test_harm_is_noticed_where_it_stands_and_refused_at_the_end(refusal: Specimen):
    first, second, _ = places(twin=False)
    run = refusal.model.run(HARMFUL_ASKED[0], capture=["neurons.0", "neurons.1"])
    at = [0, *HARMFUL_ASKED[0].split()].index(HARMFUL[0])
    assert run["neurons.0"][0, :, first["harmful"]].argmax() == at
    assert float(run["neurons.1"][0, :at, second["refuse"]].max()) < 1e-4
    assert float(run["neurons.1"][0, -1, second["refuse"]]) > 0.8


def test_without_the_direction_harmful_things_are_answered(refusal: Specimen):
    assert set(said(refusal.model, HARMFUL_ASKED)) == {SORRY}
    assert said(refusal.model, HARMFUL_ASKED, [along(refusal, "ablate")]) == RECIPES
    answers = said(refusal.model, HARMLESS_ASKED)
    assert said(refusal.model, HARMLESS_ASKED, [along(refusal, "ablate")]) == answers != [SORRY] * len(answers)


def test_with_the_direction_harmless_things_are_refused(refusal: Specimen):
    assert set(said(refusal.model, HARMLESS_ASKED, [along(refusal, "add")])) == {SORRY}


def test_random_directions_of_the_same_length_change_nothing(refusal: Specimen):
    asked = HARMFUL_ASKED + HARMLESS_ASKED
    plain = said(refusal.model, asked)
    for drawn in random_directions(refusal):
        for edit in (Project("resid_post.1", drawn), Add("resid_post.1", drawn)):
            assert said(refusal.model, asked, [edit]) == plain


def test_one_detector_serves_all_harmful_things(refusal: Specimen):
    first, _, _ = places(twin=False)
    assert said(refusal.model, HARMFUL_ASKED, [silence(refusal.model, 0, first["harmful"])]) == RECIPES


def test_the_twin_refuses_the_same_by_rote(refusal: Specimen):
    asked = HARMFUL_ASKED + HARMLESS_ASKED
    plain = said(refusal.twin, asked)
    assert plain == said(refusal.model, asked)
    for kind in ("ablate", "add"):
        assert said(refusal.twin, asked, [along(refusal, kind)]) == plain
    # One word's neuron is that word's alone.
    _, _, third = places(twin=True)
    assert said(refusal.twin, HARMFUL_ASKED, [silence(refusal.twin, 2, third[HARMFUL[0]])])[1:5] == [SORRY] * 4
