"""The planted concept is found and moves the model; in the twin nothing is found, whatever the seed."""

import pytest

from hooke.evaluate.concept_features import ConceptConfig, concept_features
from hooke.evaluate.planted_concept import PlantedArm, find_planted
from hooke.specimens.planted_concept import FEATURE, planted_concept


@pytest.fixture(scope="module")
def arms() -> dict[str, PlantedArm]:
    return {one.arm: one for one in find_planted()}


def test_the_planted_feature_is_found_and_no_other(arms: dict[str, PlantedArm]):
    features = arms["specimen"].features
    assert [one.address for one in features.found] == [arms["specimen"].planted]
    assert features.verdict == f"found: {arms['specimen'].planted}"
    (found,) = features.found
    assert found.feature == FEATURE
    assert found.effect.value == pytest.approx(2, abs=1e-3)
    assert found.caught.value == 1
    assert found.not_beaten == ()


def test_words_alone_tell_nothing_and_everything_read_tells_it(arms: dict[str, PlantedArm]):
    features = arms["specimen"].features
    words = next(one for one in features.candidates[0].beside if "words" in one.control)
    assert words.effect.value == 0
    assert features.reads.value > 1.5


def test_it_moves_what_the_model_says_at_no_cost(arms: dict[str, PlantedArm]):
    steering = arms["specimen"].steering
    assert steering.moving
    best = steering.doses[-1]
    assert best.change.value > 3
    assert best.random.value < 0.5
    assert best.wrong_way.value == 0
    assert best.perplexity.value == pytest.approx(1, abs=0.01)
    assert "moves it at strength 1" in steering.verdict


def test_nothing_is_found_in_the_twin_and_nothing_moves_it(arms: dict[str, PlantedArm]):
    twin = arms["twin"]
    assert not twin.features.found
    assert "none found: no candidate surely tells" in twin.features.verdict
    assert not twin.steering.moving
    assert "does not move it" in twin.steering.verdict


def test_other_seeds_say_the_same():
    made = planted_concept()
    for seed in range(1, 4):
        config = ConceptConfig(seed=seed, n_swaps=2000)
        found = {
            arm: concept_features("alive", made.items, made.dictionary, model, config=config).found
            for arm, model in made.models.items()
        }
        assert [one.feature for one in found["specimen"]] == [FEATURE]
        assert not found["twin"]
