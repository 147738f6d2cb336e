"""What is said of candidates: the verdict follows from controls, and what cannot be asked is refused."""

from dataclasses import replace

import pytest

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest, ShapeMismatch
from hooke.evaluate.concept_features import ConceptConfig, ConceptFeatures, concept_features
from hooke.findings import Estimate
from hooke.specimens.planted_concept import PlantedConcept, planted_concept
from hooke.text.concepts import Labelled
from tests.features.planted import planted_dictionary, planted_model

CONFIG = ConceptConfig(n_candidates=2, n_swaps=2000)


@pytest.fixture(scope="module")
def made() -> PlantedConcept:
    return planted_concept()


@pytest.fixture(scope="module")
def found(made: PlantedConcept) -> ConceptFeatures:
    return concept_features("alive", made.items, made.dictionary, made.models["specimen"], config=CONFIG)


def test_a_candidate_that_a_control_reaches_is_told_and_not_found(found: ConceptFeatures):
    first = found.candidates[0]
    assert first.level == "told beyond controls"
    beaten = replace(first.beside[0], above=Estimate(value=0.1, interval=(-0.1, 0.3)))
    weaker = replace(first, beside=(beaten, *first.beside[1:]))
    assert weaker.level == "told"
    assert weaker.not_beaten == (beaten.control,)
    common = replace(first, matched=2.5)
    assert common.not_beaten == ("features that fire as often",)
    lucky = replace(first, chance=0.06)
    assert lucky.level == "not surely told"
    assert replace(found, candidates=(weaker,)).verdict == (
        f"none found: {first.address} tells it, but not surely more than {beaten.control}"
    )
    assert replace(found, candidates=()).verdict.startswith("none found: no candidate")


def test_where_too_few_groups_confirm_the_verdict_says_that_nothing_could_be_found(found: ConceptFeatures):
    lucky = replace(found.candidates[0], chance=0.06)
    few = replace(found, candidates=(lucky,) * 5, n_confirmed=6)
    assert few.least_chance == 5 / 64
    assert few.verdict.startswith("none can be found: with 5 candidates on 6 groups no chance is below 0.078")
    assert replace(few, candidates=(lucky,) * 3).verdict.startswith("none found: no candidate")
    assert replace(few, n_confirmed=7).verdict.startswith("none found: no candidate")


def test_each_control_has_a_finding(found: ConceptFeatures):
    findings = found.findings()
    own = [one for one in findings if one.claim == f"alive: {found.candidates[0].address} tells it"]
    assert [one.control_name for one in own] == [one.control for one in found.candidates[0].beside]
    assert all(one.n == found.n_confirmed and one.control_interval is not None for one in own)


def test_near_misses_are_counted_apart_and_groups_of_one_label_among_them(made: PlantedConcept):
    near = [
        Labelled(text=f"here is a {word}", label=False, group=f"words {word}", style="near", is_near=True)
        for word in ("fox hen", "lamp fox", "swan rope", "bear cup", "crow jar", "comb boot")
    ]
    found = concept_features("alive", [*made.items, *near], made.dictionary, made.models["specimen"], config=CONFIG)
    first = found.candidates[0]
    assert first.near_misses is not None
    # The planted feature fires on animals: five of these six have one.
    assert first.near_misses.value == pytest.approx(5 / 6)
    assert first.others is not None
    assert first.others.value == 0
    claims = [one for one in found.findings() if "only looks like it" in one.claim]
    assert claims[0].control == 1


def test_what_cannot_be_asked_is_refused(made: PlantedConcept):
    few = [one for one in made.items if one.group in {item.group for item in made.items[:42]}]
    with pytest.raises(BadRequest, match="7 of 7 groups"):
        concept_features("alive", few, made.dictionary, made.models["specimen"])
    with pytest.raises(ShapeMismatch, match="does not fit the model 'planted'"):
        concept_features("alive", made.items, made.dictionary, planted_model())
    with pytest.raises(BadRequest, match="0 candidates"):
        ConceptConfig(n_candidates=0)
    model = planted_model()
    one = planted_dictionary(model)
    weights = {name: weight.data for name, weight in one.named_parameters()}
    weights["W_enc"] = weights["W_enc"].repeat(2, 1)
    both = Dictionary(replace(one.config, reads=("resid_pre.0", "resid_post.0"), d_in=2 * one.config.d_in), **weights)
    with pytest.raises(BadRequest, match="reads 2 sites at once"):
        concept_features("alive", made.items, both, model)
