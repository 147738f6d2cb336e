"""A sweep of the planted world, where a strong dose says the planted word."""

import pytest

from hooke.directions.recipe import Recipe, RecipeEdit
from hooke.directions.sweep import Cell, Prepared, SpeakConfig, sweep
from hooke.models.model import Model
from hooke.sites import parse_feature
from tests.features.planted import SITE, planted_dictionary, planted_model

MUSIC = f"{SITE}/1@planted"


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def prepared(model: Model) -> Prepared:
    return Prepared(
        recipe=Recipe(name="music", edits=(RecipeEdit(feature=MUSIC),)),
        dictionaries={"planted": planted_dictionary(model)},
        units={parse_feature(MUSIC): 6.0},
    )


def cells(model: Model, *, temperature: float = 0.0, seed: int = 0) -> list[Cell]:
    found = sweep(
        model,
        model.tokenize("the stone"),
        prepared(model),
        strengths=(0.001, 1.0),
        arms=("treated", "random"),
        config=SpeakConfig(samples=2, seed=seed, max_tokens=3, temperature=temperature),
    )
    steps = list(found)
    assert steps.count(None) == 3 * 3, "each step of each strength is given, so that others have their turn"
    return [cell for cell in steps if cell is not None]


def test_each_strength_has_a_cell_of_each_arm(model: Model):
    found = cells(model)
    assert [(cell.strength, cell.arm) for cell in found] == [
        (0.0, "base"),
        (0.001, "treated"),
        (0.001, "random"),
        (1.0, "treated"),
        (1.0, "random"),
    ]
    base, weak, _, strong, control = found
    assert weak.texts == base.texts
    assert set(strong.texts[0].split()) == {"Ġmusic"}
    assert len(control.texts) == control.measures.n == 2
    mass = [cell.measures.promoted_mass.value or 0.0 for cell in (base, strong, control)]
    assert mass[1] > max(mass[0], mass[2])
    assert strong.measures.activation.value == pytest.approx(1.0, rel=1e-3)
    assert (base.measures.kl.value, (strong.measures.kl.value or 0) > 0) == (0, True)


def test_a_sweep_can_be_made_again(model: Model):
    assert cells(model, temperature=1.0, seed=3) == cells(model, temperature=1.0, seed=3)
    assert [one.texts for one in cells(model, temperature=1.0, seed=4)] != [
        one.texts for one in cells(model, temperature=1.0, seed=3)
    ]
