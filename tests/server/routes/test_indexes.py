"""Indexes over HTTP, and the jobs that make them."""

import httpx
import pytest
from pydantic import ValidationError

from hooke.features.aids import has_aid
from hooke.features.query import Index
from hooke.server.routes.indexes import IndexArguments, NameArguments, build, fetch_text, prepare_index
from tests.cli.tiny_lab import N_FEATURES, TinyLab


def test_all_indexes_are_listed_and_dictionaries_without_one_with_their_job(api: httpx.Client):
    found = api.get("/api/indexes").json()
    by_name = {one["index"]: one for one in found["items"]}
    tiny = by_name["tiny"]
    assert (tiny["n_features"], tiny["kind"], tiny["site"]) == (N_FEATURES, "features", "resid_post.1")
    assert 0 < tiny["n_labelled"] <= tiny["n_alive"] <= N_FEATURES
    assert tiny["has_text"]
    assert "bare" in {one["dictionary"] for one in found["unindexed"]}
    (bare,) = [one for one in found["unindexed"] if one["dictionary"] == "bare"]
    assert bare["job"] == {"kind": "index", "arguments": {"dictionary": "bare"}}
    assert found["damaged"] == {}


def test_one_index(api: httpx.Client):
    assert api.get("/api/indexes/tiny").json()["index"] == "tiny"
    assert api.get("/api/indexes/nothing").status_code == 404


def test_a_damaged_index_is_named_and_the_others_are_there(server_lab: TinyLab, api: httpx.Client):
    broken = server_lab.lab.path("features", "broken")
    broken.mkdir()
    (broken / "index.json").write_text("{}")
    try:
        found = api.get("/api/indexes").json()
        assert "broken" in found["damaged"]
        assert "tiny" in {one["index"] for one in found["items"]}
    finally:
        (broken / "index.json").unlink()
        broken.rmdir()


def test_the_job_index_makes_neurons_ready_to_ask(server_lab: TinyLab, api: httpx.Client, tmp_path):
    import shutil

    from hooke.lab import Lab

    lab = Lab(tmp_path / "lab")
    arguments = IndexArguments(
        dictionary="neurons.1", model=str(server_lab.model), corpus=str(server_lab.corpus), tokens=600, context=32
    )
    made = build(lab, arguments)
    assert made == {"dictionary": "neurons.1-tiny-model"}
    index = Index.open(made["dictionary"], lab=lab)
    assert has_aid(index, "map-1")
    # Every page works on it: it is served like any other index.
    for room in ("features", "dictionaries"):
        shutil.copytree(lab.path(room, made["dictionary"]), server_lab.lab.path(room, made["dictionary"]))
    try:
        _every_page(api, made["dictionary"], index)
    finally:
        for room in ("features", "dictionaries"):
            shutil.rmtree(server_lab.lab.path(room, made["dictionary"]))


def _every_page(api: httpx.Client, name: str, index: Index) -> None:
    n_units = len(index) // 2
    below = next(hit.feature for hit in index.ranked("density", len(index)) if hit.feature >= n_units)
    here = f"/api/dictionaries/{name}"
    head = api.get(f"{here}/features/{below}").json()
    assert head["unit"] == {"number": below - n_units, "sign": "-", "opposite": below - n_units}
    assert head["address"] == f"neurons.1/{below}@{name}"
    for panel in ("histogram", "examples", "effects", "neighbours", "near-misses", "python"):
        assert api.get(f"{here}/features/{below}/{panel}").status_code == 200, panel
    assert api.get(f"{here}/features/{below}/effects").json()["promoted"]
    assert api.post(f"{here}/features/{below}/try", json={"text": "The bridge over"}).status_code == 200
    assert api.post(f"{here}/read", json={"text": "The bridge over"}).json()["features"]
    for mode, q in (
        ("words", "bridge"),
        ("meaning", "bridge"),
        ("token", "b"),
        ("examples", "river"),
        ("text", "a river"),
    ):
        answer = api.get(f"{here}/search", params={"q": q, "mode": mode, "max_density": 1})
        assert answer.status_code == 200, answer.text
    assert api.get(f"{here}/features", params={"sort": "max"}).json()["total"] == len(index)
    assert {one["index"]: one["kind"] for one in api.get("/api/indexes").json()["items"]}[name] == "neurons"


def test_the_text_is_made_again_and_an_index_prepared_without_its_model(server_lab: TinyLab):
    name = NameArguments(dictionary="tiny")
    assert fetch_text(server_lab.lab, name) == {"dictionary": "tiny"}
    assert prepare_index(server_lab.lab, name) == {"dictionary": "tiny"}
    assert has_aid(Index.open("tiny", lab=server_lab.lab), "tokens-1")


def test_arguments_are_checked():
    for wrong in ({"tokens": 0}, {"context": 1}):
        with pytest.raises(ValidationError):
            IndexArguments(dictionary="tiny", **wrong)


def test_the_job_text_is_started(api: httpx.Client):
    answer = api.post("/api/indexes/tiny/text")
    assert answer.status_code == 202
    assert api.get(f"/api/jobs/{answer.json()['job']}").json()["kind"] == "text"
    assert api.post("/api/indexes/nothing/text").status_code == 404
