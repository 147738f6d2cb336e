"""Dose-response on the planted world, where what a direction does to the next token follows from its definition."""

import math

import pytest
import torch

from hooke.directions.recipe import Recipe, RecipeEdit
from hooke.directions.response import DoseResponse
from hooke.directions.steer import dose_response, recipe_response
from hooke.directions.steer_config import SteerConfig
from hooke.directions.sweep import Prepared
from hooke.errors import BadConfig, ShapeMismatch
from hooke.models.edits import everywhere
from hooke.models.model import Model
from hooke.sites import Site
from hooke.text.windows import WindowConfig, Windows, windows
from tests.features.planted import planted_corpus, planted_model

SITE = Site("resid_post", 0)
CONFIG = SteerConfig(
    strengths=(0.5, 1.0),
    n_promoted=1,
    n_controls=2,
    selection=("the stone", "of the water"),
    measurement=("the river", "stone and", "7 of", "the song of"),
    prompt="the stone",
    max_tokens=2,
)


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def some_text(model: Model) -> Windows:
    return next(windows(planted_corpus(), model.tokenizer, WindowConfig(context=16, batch=6)))


def towards(model: Model, word: str) -> torch.Tensor:
    direction = torch.zeros(model.d_model)
    direction[model.tokenizer.convert_tokens_to_ids(word)] = 1.0
    return direction


def steer(model: Model, direction: torch.Tensor, config: SteerConfig = CONFIG) -> DoseResponse:
    return dose_response(model, SITE, direction, some_text(model), name="d", unit=4.0, config=config)


@pytest.fixture(scope="module")
def response(model: Model) -> DoseResponse:
    return steer(model, towards(model, "Ġbridge"))


def test_the_promoted_token_is_the_one_that_the_direction_writes(response: DoseResponse):
    assert [one.text for one in response.treated.promoted] == ["Ġbridge"]


def test_mass_is_what_the_model_says(model: Model, response: DoseResponse):
    # The stream is the token's unit vector plus strength · 4 towards bridge; RMS norm makes its square sum the width.
    for dose in response.treated.doses:
        stream = torch.tensor([1.0, 4 * dose.strength])
        stream = stream / stream.norm() * math.sqrt(model.d_model)
        others = model.d_vocab - 2
        expected = stream[1].exp() / (stream.exp().sum() + others)
        assert dose.mass.value == pytest.approx(float(expected), rel=1e-4)  # RMS norm's epsilon
        assert dose.gain.value == pytest.approx(dose.mass.value - response.baseline_mass.value)


def test_it_steers_and_random_directions_do_not_reach_it(response: DoseResponse):
    assert response.treated.doses[1].gain.interval[0] > max(arm.doses[1].target_gain.value for arm in response.controls)
    assert len(response.controls) == 2
    assert response.controls[0].promoted != response.treated.promoted


def test_continuations_say_it(response: DoseResponse):
    assert response.treated.doses[1].continuation == "Ġbridge Ġbridge"
    assert response.baseline_continuation == "Ġstone Ġstone"
    assert response.controls[0].doses[1].continuation != ""
    assert response.controls[1].doses[1].continuation != ""


def test_the_first_token_is_left_alone(model: Model):
    prompts = {"selection": ("stone",), "measurement": ("river",), "prompt": "stone"}
    config = SteerConfig(strengths=(1.0,), n_promoted=1, n_controls=1, max_tokens=0, **prompts)
    alone = steer(model, towards(model, "Ġbridge"), config)
    assert alone.treated.doses[0].gain.value == 0.0
    assert alone.verdict.outcome == "does not steer"


def test_perplexity_is_that_of_the_edited_model(model: Model, response: DoseResponse):
    from hooke.models.edits import Add

    text = some_text(model)
    edit = Add(site=str(SITE), vector=towards(model, "Ġbridge"), scale=4.0, positions="1:")
    logits = model.run(text.tokens, edits=[edit]).logits
    assert logits is not None
    counted = text.counted.clone()
    counted[:, 1] = False
    losses = []
    for row in range(len(text.tokens)):
        chosen = counted[row, 1:]
        losses.append(torch.nn.functional.cross_entropy(logits[row, :-1][chosen], text.tokens[row, 1:][chosen]))
    assert response.treated.doses[1].perplexity.value == pytest.approx(
        float(torch.stack(losses).mean().exp()), rel=1e-5
    )
    dose = response.treated.doses[1]
    assert dose.perplexity_ratio.value == pytest.approx(
        dose.perplexity.value / response.baseline_perplexity.value, rel=1e-6
    )


def test_the_same_seed_gives_the_same_response(model: Model, response: DoseResponse):
    assert steer(model, towards(model, "Ġbridge")) == response


def test_a_direction_of_another_width_is_refused(model: Model):
    with pytest.raises(ShapeMismatch, match="does not fit"):
        steer(model, torch.ones(3))


def a_recipe(model: Model, **settings) -> Prepared:
    vector = tuple(towards(model, "Ġbridge").tolist())
    edit = RecipeEdit(site=str(SITE), vector=vector, strength=4.0, **settings)
    return Prepared(recipe=Recipe(name="d", edits=(edit,)), dictionaries={}, units={})


def test_a_recipe_of_one_vector_is_measured_as_the_vector_is(model: Model, response: DoseResponse):
    found = recipe_response(model, a_recipe(model), some_text(model), config=CONFIG)
    assert found.site == str(SITE)
    assert [one.text for one in found.treated.promoted] == ["Ġbridge"]
    for own, other in zip(found.treated.doses, response.treated.doses, strict=True):
        for name in ("gain", "perplexity_ratio", "kl", "wrong_way", "distinct"):
            assert getattr(own, name).value == pytest.approx(getattr(other, name).value, rel=1e-4), name
        assert own.relative == pytest.approx(other.relative, rel=1e-4)
    one, two = (found.controls[0].doses[place].relative for place in (0, 1))
    assert two == pytest.approx(2 * one, rel=1e-4)
    assert found.controls[0].promoted != found.controls[1].promoted


def test_what_waits_for_new_tokens_is_measured_as_if_it_did_not(model: Model, response: DoseResponse):
    found = recipe_response(model, a_recipe(model, when="generated"), some_text(model), config=CONFIG)
    assert found.treated.doses[1].gain.value == pytest.approx(response.treated.doses[1].gain.value, rel=1e-4)
    assert found.treated.doses[1].continuation == "Ġstone Ġbridge", "the first new token comes from the prompt"
    (edit,) = everywhere(a_recipe(model, when="generated").edits())
    assert edit.when == "all"


def test_a_recipe_behind_the_stream_is_refused(model: Model):
    late = RecipeEdit(site="final_norm", vector=(1.0,) * model.d_model)
    prepared = Prepared(recipe=Recipe(name="d", edits=(late,)), dictionaries={}, units={})
    with pytest.raises(BadConfig, match="acts at 'final_norm'"):
        recipe_response(model, prepared, some_text(model), config=CONFIG)
