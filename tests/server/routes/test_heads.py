"""Heads over HTTP: the planted ones are found, with their control; their tables, and what cannot be had."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from hooke.circuits import heads as circuits_heads
from hooke.cli.app import main
from hooke.lab import Lab
from hooke.server.routes import heads
from hooke.specimens import build
from tests.server.tiny_server import running

HERE = "/api/models/specimen-induction/heads"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a microscope over a lab with the specimen of induction."""
    root = tmp_path_factory.mktemp("heads") / "lab"
    assert main(["specimen", "build", "induction", "--lab", str(root)]) == 0
    with running(Lab(root)) as server, server.client() as found:
        yield found


@pytest.fixture
def tiny(api: httpx.Client) -> str:
    """Another model, with random weights."""
    return "/api/models/tiny-model/heads"


def by_name(found: dict) -> dict[str, dict]:
    return {one["name"]: one for one in found["maps"]}


def test_the_planted_heads_come_first_and_lie_above_their_controls(client: httpx.Client):
    maps = by_name(client.get(HERE).json())
    for score, planted in (("previous", (0, 0)), ("induction", (1, 0))):
        values = np.array(maps[score]["values"])
        assert np.unravel_index(values.argmax(), values.shape) == planted
        assert values[planted] > np.array(maps[score]["controls"])[planted] + 0.5
        assert maps[score]["control_name"]
    assert maps["entropy"]["controls"] is None
    assert not maps["entropy"]["is_signed"]


def test_scores_are_those_of_the_library(client: httpx.Client):
    found = client.get(HERE).json()
    specimen = build("induction")
    expected = circuits_heads.head_scores(specimen.model, n_sequences=found["n_sequences"], length=found["length"])
    maps = by_name(found)
    for name in circuits_heads.SCORES:
        np.testing.assert_allclose(maps[name]["values"], expected.repeated[name].mean(0), atol=1e-5)
    np.testing.assert_allclose(maps["copying"]["values"], expected.copying, atol=1e-4)
    np.testing.assert_allclose(maps["distance"]["values"], expected.distance, atol=1e-4)


def test_one_head_has_its_scores_with_intervals_and_its_place(client: httpx.Client):
    found = client.get(f"{HERE}/1/0").json()
    scores = {one["name"]: one for one in found["scores"]}
    assert scores["induction"]["place"] == 1
    assert scores["previous"]["place"] > 1
    low, high = scores["induction"]["interval"]
    assert scores["induction"]["control_interval"][1] < low <= scores["induction"]["value"] <= high
    assert scores["copying"]["interval"] is None
    assert scores["entropy"]["control"] is None


def test_scores_are_computed_once(api: httpx.Client, tiny: str, monkeypatch: pytest.MonkeyPatch):
    counted = []

    def counting(*given, **settings):
        counted.append(1)
        return circuits_heads.head_scores(*given, **settings)

    monkeypatch.setattr(heads, "head_scores", counting)
    for path in ("", "", "/0/1"):
        assert api.get(tiny + path).status_code == 200
    assert len(counted) == 1


def test_tables_name_tokens_and_stand_beside_chance(api: httpx.Client, tiny: str):
    found = api.get(f"{tiny}/0/1/tables", params={"token": " the", "distance": 2}).json()
    assert [one["token"] for one in found["sources"]] == [" the"]
    source = found["sources"][0]
    assert all(one["first"] == " the" for one in source["raised"] + source["lowered"])
    raised = [one["value"] for one in source["raised"]]
    assert raised == sorted(raised, reverse=True)
    assert raised[0] > 0 > source["lowered"][0]["value"]
    assert len(found["strongest"]) == len(found["shuffled"]) > 0
    assert found["distance"] == 2
    assert found["matches"]["strongest"][0]["value"] > found["matches"]["mean"]
    assert found["copying"]["control_name"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/0/9", 400, "no head 0.9"),
        ("/9/0", 400, "no head 9.0"),
        ("/0/9/tables", 400, "no head 0.9"),
        ("/0/0/tables?token=notatokenatall", 404, "not one token"),
        ("/0/0/tables?distance=100000", 400, "distance"),
        ("/0/0/tables?distance=-1", 422, "distance"),
    ],
)
def test_what_is_not_there(api: httpx.Client, tiny: str, path: str, status: int, words: str):
    answer = api.get(tiny + path)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_models_that_cannot_be_had(api: httpx.Client, tmp_path):
    assert api.get("/api/models/nowhere/heads").status_code == 404
    with running(Lab(tmp_path), read_only=True) as server, server.client() as quiet:
        assert quiet.get("/api/models/smollm2-135m/heads").json()["type"] == "no-model"
