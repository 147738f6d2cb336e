"""Pairs of twins, what a direction does to them, and the rule of the verdict."""

from dataclasses import replace

import pytest

from hooke.errors import BadConfig, BadRequest
from hooke.evaluate.concept_features import Candidate, ConceptConfig, concept_features
from hooke.evaluate.concept_steering import ConceptSteerConfig, steer_concept
from hooke.findings import Estimate
from hooke.specimens.planted_concept import PlantedConcept, planted_concept
from hooke.text.concepts import Labelled

CONFIG = ConceptSteerConfig(strengths=(-1.0, 1.0), n_controls=3, most_pairs=6)


@pytest.fixture(scope="module")
def made() -> PlantedConcept:
    return planted_concept()


@pytest.fixture(scope="module")
def candidate(made: PlantedConcept) -> Candidate:
    config = ConceptConfig(n_candidates=1, n_swaps=200)
    return concept_features("alive", made.items, made.dictionary, made.models["specimen"], config=config).candidates[0]


def steered(made: PlantedConcept, candidate: Candidate, items: tuple[Labelled, ...] | None = None):
    some = made.answered if items is None else items
    return steer_concept("alive", some, candidate, made.dictionary, made.models["specimen"], made.text, config=CONFIG)


def test_turning_it_down_moves_every_pair_the_wrong_way(made: PlantedConcept, candidate: Candidate):
    found = steered(made, candidate)
    down, up = found.doses
    assert (found.n_pairs, found.n_groups) == (6, 6)
    assert down.change.value < 0 < up.change.value
    assert (down.wrong_way.value, up.wrong_way.value) == (1, 0)
    assert found.moving == (up,)
    claims = found.findings()
    assert len(claims) == 6
    assert claims[3].control == up.random.value
    assert claims[3].control_name == "the largest of 3 random directions of the same norm"
    assert claims[5].n == len(made.text.tokens)


def test_a_dose_that_costs_too_much_or_that_random_directions_reach_does_not_move(
    made: PlantedConcept, candidate: Candidate
):
    found = steered(made, candidate)
    up = found.doses[1]
    dear = replace(up, perplexity=Estimate(value=1.9, interval=(1.7, 2.1)))
    reached = replace(up, random=Estimate(value=0.0, interval=(0.0, up.change.interval[0])))
    for dose in (dear, reached):
        assert not replace(found, doses=(dose,)).moving
        assert "does not move it" in replace(found, doses=(dose,)).verdict


def test_twins_are_of_one_style_and_the_most_alike_go_first(made: PlantedConcept, candidate: Candidate):
    # Answers of another style cannot be compared: only the two styles that have both labels are left.
    some = tuple(one for one in made.answered if one.label or one.style != "shown")
    assert steered(made, candidate, some).n_groups == 6
    none = tuple(replace(one, style=f"{one.style} {one.label}") for one in made.answered)
    with pytest.raises(BadRequest, match="No group has two of them in the same style"):
        steered(made, candidate, none)


def test_what_cannot_be_steered_is_refused(made: PlantedConcept, candidate: Candidate):
    with pytest.raises(BadRequest, match="largest activation is 0"):
        steered(made, replace(candidate, largest=0.0))
    with pytest.raises(BadConfig, match="other than 0"):
        ConceptSteerConfig(strengths=(0.0,))
    with pytest.raises(BadConfig, match="0 directions"):
        ConceptSteerConfig(n_controls=0)
