import pytest
import torch

from hooke.directions.recipe import Recipe, RecipeEdit, save_recipe
from hooke.errors import BadConfig, BadRequest, ShapeMismatch, UnknownName, UnsupportedModel
from hooke.models.edits import Add
from hooke.models.model import Model
from hooke.models.scope import Schedule
from hooke.server.gateway.steering import register
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.tiny_gateway import PUSH


def test_a_recipe_is_applied_at_its_strength_and_within_its_bounds(gateway_lab: TinyLab, gateway_model: Model):
    found = register("push=-1:1.5", gateway_model, gateway_lab.lab)
    (edit,) = found.edits(0.5)
    assert isinstance(edit, Add)
    assert edit.scale == 1.0
    for strength in (-1.001, 1.501, float("nan"), float("inf")):
        with pytest.raises(BadConfig, match="registered from"):
            found.edits(strength)
    plain = register("push", gateway_model, gateway_lab.lab)
    assert (plain.low, plain.high) == (0, 1)


def test_the_dose_is_the_length_of_what_is_added_beside_the_streams(gateway_lab: TinyLab, gateway_model: Model):
    found = register("push", gateway_model, gateway_lab.lab)
    run = gateway_model.run(
        "The old bridge over the river was built of iron, and every spring the whole town came to see it.",
        capture=["resid_post.1"],
    )
    typical = run["resid_post.1"][0, 1:].norm(dim=-1).median()
    assert found.dose == pytest.approx(float(2 * torch.tensor(PUSH).norm() / typical), rel=1e-4)


@pytest.mark.parametrize(
    "words", ["", "=0:1", "push=1:0", "push=a:b", "push=0:inf", "push=nan:1", "push=0", "push=0:1:2"]
)
def test_bounds_that_are_none_are_refused(gateway_lab: TinyLab, gateway_model: Model, words: str):
    with pytest.raises(BadConfig, match="registers no recipe"):
        register(words, gateway_model, gateway_lab.lab)


def test_what_does_not_fit_is_refused_before_anybody_asks(gateway_lab: TinyLab, gateway_model: Model):
    lab = gateway_lab.lab
    with pytest.raises(UnknownName, match="nowhere"):
        register("lost", gateway_model, lab)
    with pytest.raises(UnknownName, match="No recipe"):
        register("none", gateway_model, lab)
    with pytest.raises(BadRequest):
        register("../recipes/push", gateway_model, lab)
    with pytest.raises(UnsupportedModel, match="'inside'"):
        register("inside", gateway_model, lab)
    wide = RecipeEdit(site="resid_post.1", vector=(1.0,) * 33)
    save_recipe(lab, Recipe(name="wide", edits=(wide,)))
    with pytest.raises(ShapeMismatch):
        register("wide", gateway_model, lab)


@pytest.mark.parametrize("scope", [{"when": "generated"}, {"schedule": Schedule(start=3)}])
def test_the_dose_is_that_of_the_tokens_where_it_acts(gateway_lab: TinyLab, gateway_model: Model, scope: dict):
    edit = RecipeEdit(site="resid_post.1", vector=tuple(PUSH), strength=2.0, **scope)
    save_recipe(gateway_lab.lab, Recipe(name="later", edits=(edit,)))
    found = register("later", gateway_model, gateway_lab.lab)
    assert found.dose == pytest.approx(register("push", gateway_model, gateway_lab.lab).dose, rel=1e-4)
