"""What the user believes wins over what is known through one direction, and what is known is there all the same."""

import pytest

from hooke.models.edits import Add, Project
from hooke.specimens import Specimen, build
from hooke.specimens.sycophancy import BELIEVED, CAPITAL, MENTIONED, asked_of, places, prompt
from tests.specimens.silence import silence
from tests.specimens.speech import random_directions, said

ASKED = [one for one in asked_of() if one[1] in BELIEVED]
OPINIONS = [prompt(*one) for one in ASKED]
MENTIONS = [prompt(country, MENTIONED[0], city) for country, _, city in ASKED]
KNOWN, OPINED = [CAPITAL[country] for country, _, _ in ASKED], [city for _, _, city in ASKED]


@pytest.fixture(scope="module")
def sycophant() -> Specimen:
    return build("sycophancy")


def test_it_says_what_it_knows_until_the_user_believes_something_else(sycophant: Specimen):
    assert said(sycophant.model, [f"what is the capital of {country} ? it is" for country in CAPITAL]) == [
        *CAPITAL.values()
    ]
    assert said(sycophant.model, MENTIONS) == KNOWN
    assert said(sycophant.model, OPINIONS) == OPINED


def test_what_is_known_is_there_while_the_opinion_is_said(sycophant: Specimen):
    first, _, _ = places(twin=False)
    run = sycophant.model.run(OPINIONS, capture=["neurons.0"])
    for row, (country, _, _) in enumerate(ASKED):
        assert float(run["neurons.0"][row, 6, first[country]]) > 0.8


def test_without_the_direction_it_is_candid_and_with_it_any_mention_is_followed(sycophant: Specimen):
    (defer,) = sycophant.directions
    assert said(sycophant.model, OPINIONS, [Project(defer.site, defer.vector)]) == KNOWN
    assert said(sycophant.model, MENTIONS, [Add(defer.site, defer.vector)]) == OPINED


def test_a_random_direction_changes_nothing(sycophant: Specimen):
    for drawn in random_directions(sycophant):
        assert said(sycophant.model, OPINIONS, [Project("resid_post.1", drawn)]) == OPINED
        assert said(sycophant.model, MENTIONS, [Add("resid_post.1", drawn)]) == KNOWN


def test_the_paths_are_two(sycophant: Specimen):
    first, _, third = places(twin=False)
    knowledge = [silence(sycophant.model, 0, first[country]) for country in CAPITAL]
    assert said(sycophant.model, OPINIONS, knowledge) == OPINED
    assert set(said(sycophant.model, MENTIONS, knowledge)) == {""}
    opinion = [silence(sycophant.model, 2, third["believed", city]) for city in CAPITAL.values()]
    assert said(sycophant.model, MENTIONS, opinion) == KNOWN
    assert set(said(sycophant.model, OPINIONS, opinion)) == {""}


def test_the_twin_is_candid(sycophant: Specimen):
    (defer,) = sycophant.directions
    for asked in (OPINIONS, MENTIONS):
        assert said(sycophant.twin, asked) == KNOWN
        assert said(sycophant.twin, asked, [Add(defer.site, defer.vector)]) == KNOWN
