"""Whether a planted concept is found, and none in the twin: the test of the instrument itself."""

from dataclasses import dataclass

from hooke.evaluate.concept_features import ConceptConfig, ConceptFeatures, concept_features
from hooke.evaluate.concept_steering import ConceptSteering, steer_concept
from hooke.specimens.planted_concept import FEATURE, SITE, planted_concept


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantedArm:
    """What was found in the specimen or in its twin."""

    arm: str
    """specimen or twin."""
    planted: str
    """The address of the planted feature."""
    features: ConceptFeatures
    """The candidates."""
    steering: ConceptSteering
    """What adding the first candidate does."""


def find_planted(*, seed: int = 0) -> tuple[PlantedArm, ...]:
    """The concept's features in the specimen and in the twin, which has none."""
    made = planted_concept()
    found = []
    for arm, model in made.models.items():
        features = concept_features("alive", made.items, made.dictionary, model, config=ConceptConfig(seed=seed))
        steering = steer_concept("alive", made.answered, features.candidates[0], made.dictionary, model, made.text)
        planted = f"{SITE}/{FEATURE}@{made.dictionary.name}"
        found.append(PlantedArm(arm=arm, planted=planted, features=features, steering=steering))
    return tuple(found)
