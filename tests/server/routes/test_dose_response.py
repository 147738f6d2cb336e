"""The dose-response of a recipe over HTTP: dose by dose, then all of it, the same as in the room below."""

from typing import Any

import httpx
import pytest

from hooke.dictionaries import load_dictionary
from hooke.directions.recipe import Recipe, RecipeEdit
from hooke.directions.steer import recipe_response
from hooke.directions.steer_config import SteerConfig
from hooke.directions.sweep import Prepared
from hooke.directions.typical_norm import held_out
from hooke.features.query import Index
from hooke.models.load import load
from hooke.sites import parse_feature
from tests.cli.tiny_lab import TinyLab
from tests.server.routes.test_steering import RECIPE, events

FEATURE = "resid_post.1/3@tiny"


def doses(api: httpx.Client, **changes: Any) -> list[tuple[str, dict]]:
    body = {"model": "tiny-model", "recipe": RECIPE, "strengths": [0.5, 1.0], "n_controls": 1}
    return events(api, "/api/steer/dose-response", prompt=None, max_tokens=None, **(body | changes))


def test_each_dose_is_told_then_the_response(api: httpx.Client, server_lab: TinyLab):
    found = doses(api)
    assert [name for name, _ in found] == ["dose"] * 4 + ["response", "end"]
    assert [data["done"] for name, data in found if name == "dose"] == [1, 2, 3, 4]
    assert {data["total"] for name, data in found if name == "dose"} == {4}
    response = dict(found)["response"]
    model = load(str(server_lab.model), lab=server_lab.lab, name="tiny-model")
    feature = parse_feature(FEATURE)
    unit = float(Index.open("tiny", lab=server_lab.lab).maxima[feature.index])
    prepared = Prepared(
        recipe=Recipe(name="some", edits=(RecipeEdit(feature=FEATURE, strength=3.0),)),
        dictionaries={"tiny": load_dictionary("tiny", lab=server_lab.lab)},
        units={feature: unit},
    )
    own = recipe_response(model, prepared, held_out(model), config=SteerConfig(strengths=(0.5, 1.0), n_controls=1))
    for told, dose in zip(response["treated"]["doses"], own.treated.doses, strict=True):
        assert told["strength"] == dose.strength
        assert told["relative"] == pytest.approx(dose.relative, rel=1e-4)
        assert told["gain"]["value"] == pytest.approx(dose.gain.value, abs=1e-5)
        assert told["kl"]["value"] == pytest.approx(dose.kl.value, rel=1e-3)
    assert [arm["name"] for arm in response["controls"]] == ["random 1"]
    assert response["usable"]["reason"] == own.usable.reason
    assert response["n_prompts"] == own.n_prompts


def test_what_cannot_be_measured_is_refused_before_the_stream(api: httpx.Client):
    body = {"model": "tiny-model", "recipe": {"name": "x", "edits": [{"feature": "resid_post.1/1@nowhere"}]}}
    assert api.post("/api/steer/dose-response", json=body).status_code == 404
    late = {"name": "x", "edits": [{"site": "final_norm", "vector": [1.0] * 32}]}
    answer = api.post("/api/steer/dose-response", json={"model": "tiny-model", "recipe": late})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
