"""Recipes: what they mean as edits, how they are kept, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.configs import from_dict, to_dict
from hooke.directions.recipe import (
    Recipe,
    RecipeEdit,
    bind,
    find_recipe,
    read_recipe,
    recipe_names,
    save_recipe,
    throw_away_recipe,
    warnings_of,
)
from hooke.errors import BadConfig, BadRequest, UnknownName
from hooke.lab import Lab
from hooke.models.edits import Ablate, Add, Cap, Clamp
from hooke.models.scope import Given, Schedule
from hooke.sites import parse_feature
from tests.features.planted import SITE, planted_dictionary, planted_model

MUSIC, BRIDGE = f"{SITE}/1@planted", f"{SITE}/0@planted"
UNITS = {parse_feature(MUSIC): 6.0, parse_feature(BRIDGE): 8.0}
DICTIONARIES = {"planted": planted_dictionary(planted_model())}


def recipe(*edits: RecipeEdit) -> Recipe:
    return Recipe(name="r", edits=edits)


def test_strengths_are_in_units_of_the_largest_activation():
    found = bind(recipe(RecipeEdit(feature=MUSIC, strength=1.5, when="generated")), DICTIONARIES, UNITS)
    assert found == (Add(site=SITE, vector=MUSIC, scale=9.0, positions="1:", when="generated"),)
    clamped = bind(recipe(RecipeEdit(feature=BRIDGE, how="clamp", strength=0.5)), DICTIONARIES, UNITS, factor=2.0)
    assert clamped == (Clamp(feature=BRIDGE, value=8.0, positions="1:"),)


def test_an_ablation_has_no_strength():
    ablated = recipe(RecipeEdit(feature=MUSIC, how="ablate", strength=3.0))
    assert bind(ablated, DICTIONARIES, UNITS, factor=0.5) == (Ablate(feature=MUSIC, positions="1:"),)


def test_a_cap_keeps_its_interval_and_takes_the_factor_as_the_share_of_the_way():
    capped = recipe(RecipeEdit(feature=MUSIC, how="cap", strength=0.5))
    for factor, share in ((1.0, 1.0), (0.25, 0.25), (3.0, 1.0), (-1.0, 0.0)):
        expected = (Cap(feature=MUSIC, high=3.0, share=share, positions="1:"),)
        assert bind(capped, DICTIONARIES, UNITS, factor=factor) == expected
    assert warnings_of(capped, UNITS) == []


def test_an_edit_waits_for_another_feature_and_follows_a_plan():
    plan = Schedule(hold=4, fade=2)
    waiting = recipe(RecipeEdit(feature=MUSIC, given=BRIDGE, above=0.5, schedule=plan))
    assert waiting.features == (parse_feature(MUSIC), parse_feature(BRIDGE))
    (found,) = bind(waiting, DICTIONARIES, UNITS)
    condition = Given(feature=BRIDGE, above=4.0)
    assert found == Add(site=SITE, vector=MUSIC, scale=6.0, positions="1:", given=condition, schedule=plan)
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(waiting)))) == waiting
    lost = recipe(RecipeEdit(feature=MUSIC, given=f"{SITE}/99@planted"))
    with pytest.raises(UnknownName, match="0-5"):
        bind(lost, DICTIONARIES, UNITS | {parse_feature(f"{SITE}/99@planted"): 1.0})
    with pytest.raises(BadConfig, match="no dictionary"):
        RecipeEdit(feature=MUSIC, given=f"{SITE}/0")


def test_a_vector_takes_its_strength_as_a_factor():
    (found,) = bind(recipe(RecipeEdit(site=SITE, vector=(1.0, 2.0), strength=3.0)), {}, {}, factor=2.0)
    assert isinstance(found, Add)
    assert found == Add(site=SITE, vector=torch.tensor([1.0, 2.0]), scale=6.0, positions="1:")


def test_a_feature_beyond_the_dictionary_is_refused():
    name = f"{SITE}/99@planted"
    with pytest.raises(UnknownName, match="0-5"):
        bind(recipe(RecipeEdit(feature=name)), DICTIONARIES, {parse_feature(name): 1.0})


EDITS = st.lists(
    st.fixed_dictionaries(
        {
            "feature": st.sampled_from([MUSIC, BRIDGE]),
            "how": st.sampled_from(["add", "clamp", "ablate"]),
            "strength": st.floats(-1000, 1000),
            "when": st.sampled_from(["all", "prompt", "generated"]),
            "positions": st.one_of(st.none(), st.just("1:"), st.lists(st.integers(-9, 9), min_size=1).map(tuple)),
        }
    ),
    min_size=1,
    max_size=3,
)


@given(EDITS)
def test_json_and_back(edits: list[dict[str, Any]]):
    first = recipe(*(RecipeEdit(**one) for one in edits))
    assert from_dict(Recipe, json.loads(json.dumps(to_dict(first)))) == first


def test_recipes_are_kept_under_their_names(own_lab: Path):
    lab = Lab(own_lab)
    first, second = recipe(RecipeEdit(feature=MUSIC)), recipe(RecipeEdit(site=SITE, vector=(1.0,), positions=None))
    save_recipe(lab, first)
    save_recipe(lab, second)
    assert recipe_names(lab) == ["r"]
    assert find_recipe(lab, "r") == second
    throw_away_recipe(lab, "r")
    assert recipe_names(lab) == []
    with pytest.raises(UnknownName, match="none yet"):
        find_recipe(lab, "r")
    with pytest.raises(BadRequest):
        save_recipe(lab, Recipe(name="../out", edits=first.edits))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "could not be read"),
        ('{"name": "r", "edits": []}', "no edits"),
        ('{"name": "r", "edits": [{"strength": 1}]}', "of a feature, or a vector"),
        ('{"name": "r", "edits": [{"vector": [1]}]}', "of a feature, or a vector"),
        (
            '{"name": "r", "edits": [{"site": "resid_post.0", "vector": [1], "how": "clamp"}]}',
            "cannot be used to clamp",
        ),
        ('{"name": "r", "edits": [{"feature": "resid_post.0/1"}]}', "names no dictionary"),
        ('{"name": "r", "edits": [{"feature": "resid_post.0/1@d", "strengh": 1}]}', "strengh"),
        ('{"name": "r", "edits": [{"feature": "resid_post.0/1@d", "how": "louder"}]}', "how"),
        ('{"name": "r", "edits": [{"feature": "resid_post.0/1@d", "strength": NaN}]}', "nan"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str, said: str):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(BadConfig, match=said):
        read_recipe(path)


def test_strengths_beyond_the_corpus_are_warned_of():
    found = recipe(
        RecipeEdit(feature=MUSIC, strength=1.0),
        RecipeEdit(feature=MUSIC, strength=-1.5),
        RecipeEdit(feature=MUSIC, how="clamp", strength=-0.5),
        RecipeEdit(feature=MUSIC, how="ablate", strength=9),
        RecipeEdit(site=SITE, vector=(1.0,), strength=9),
    )
    assert [place for place, _ in warnings_of(found, UNITS)] == [1, 2]
    assert [place for place, _ in warnings_of(found, UNITS, factor=2.0)] == [0, 1, 2]
    dead = warnings_of(found, {parse_feature(MUSIC): 0.0})
    assert "never fired" in dead[0][1]
