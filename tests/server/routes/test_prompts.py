"""Prompts over HTTP: run once, then read without a model."""

import json
import shutil

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from hooke.models.load import load as load_model
from hooke.prompts.attention import unpack
from hooke.prompts.fitted_lens import save_lens
from tests.cli.tiny_lab import TinyLab
from tests.prompts.random_lens import random_lens
from tests.server.tiny_server import running

TEXT = "The bridge over the river."
HOSTILE = "<script>\u202e\0 alert(1)</script>"


def create(api: httpx.Client, text: str = TEXT, **more) -> dict:
    answer = api.post("/api/prompts", json={"model": "tiny-model", "text": text, "dictionaries": ["tiny"], **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_prompt_is_kept_and_read_without_a_model(api: httpx.Client, server_lab: TinyLab):
    made = create(api)
    assert "".join(token["text"] for token in made["tokens"]) == TEXT
    assert made["dictionaries"][0]["index"] == "tiny"
    with running(server_lab.lab, read_only=True) as server, server.client() as offline:
        address = f"/api/prompts/{made['id']}"
        assert offline.get(address).json() == made
        grid = load(offline.get(f"{address}/grid").content)
        shape = (made["n_layers"], len(made["tokens"]))
        for name in ("lens_id", "lens_logprob", "lens_rank", "entropy", "norm"):
            assert grid[name].shape == shape, name
        assert grid["dictionary.0.id"].shape == (shape[1], made["dictionaries"][0]["k"])
        assert (grid["lens_rank"][:, -1] == -1).all()
        cell = offline.get(f"{address}/cell", params={"layer": 1, "position": 2}).json()
        assert cell["lens"][0]["token"] == grid["lens_id"][1, 2]
        assert cell["rank"] == grid["lens_rank"][1, 2]
        own = cell["features"][0]
        assert own["is_here"]
        assert own["features"][0]["feature"] == grid["dictionary.0.id"][2, 0]
        arrays = load(offline.get(f"{address}/attention/0/1").content)
        # Every row of attention sums to 1, each entry being true to half a scale.
        sums = unpack(arrays["pattern"], arrays["scale"]).sum(-1)
        assert (np.abs(sums - 1) <= arrays["scale"] * np.arange(1, shape[1] + 1) / 2 + 1e-6).all()
        answer = offline.post(f"{address}/targets", json={"target": 1, "distractor": 2})
        assert (answer.status_code, answer.json()["type"]) == (409, "no-model")


def test_texts_of_the_lens_come_with_the_grid(api: httpx.Client):
    body = api.get(f"/api/prompts/{create(api)['id']}/grid").content
    header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
    texts = json.loads(header["__metadata__"]["texts"])
    assert {int(token) for token in texts} == set(np.unique(load(body)["lens_id"]).tolist())


def test_a_fitted_lens_is_read_where_the_lab_has_one(api: httpx.Client, server_lab: TinyLab):
    before = create(api)
    assert [(one["kind"], one["is_here"]) for one in before["lenses"]] == [
        ("logit", True),
        ("tuned", False),
        ("jacobian", False),
    ]
    assert "hooke fit-lens tiny-model --kind tuned" in before["lenses"][1]["note"]
    model = load_model(str(server_lab.model), lab=server_lab.lab)
    folder = save_lens(server_lab.lab, random_lens(model))
    try:
        assert "run the prompt again" in api.get(f"/api/prompts/{before['id']}").json()["lenses"][1]["note"]
        made = create(api)
        (folder / "weights.safetensors").write_bytes(b"cut short")
        assert any("No tuned lens" in note for note in create(api)["notes"])
    finally:
        shutil.rmtree(folder)
    assert [one["is_here"] for one in made["lenses"]] == [True, True, False]
    address = f"/api/prompts/{made['id']}"
    plain, tuned = (load(api.get(f"{address}/grid", params={"lens": kind}).content) for kind in ("logit", "tuned"))
    assert np.array_equal(load(api.get(f"{address}/grid").content)["lens_id"], plain["lens_id"])
    assert not np.array_equal(plain["lens_id"], tuned["lens_id"])
    assert np.array_equal(plain["norm"], tuned["norm"])
    cell = api.get(f"{address}/cell", params={"layer": 1, "position": 2, "lens": "tuned"}).json()
    assert cell["lens"][0]["token"] == tuned["lens_id"][1, 2]
    assert cell["rank"] == tuned["lens_rank"][1, 2]
    for kind, status in (("jacobian", 404), ("other", 400)):
        for path in ("grid", "cell?layer=0&position=0"):
            answer = api.get(f"{address}/{path}", params={"lens": kind, "layer": 0, "position": 0})
            assert answer.status_code == status, answer.text


def test_parts_sum_to_the_difference(api: httpx.Client):
    made = create(api)
    answer = api.post(f"/api/prompts/{made['id']}/targets", json={"target": 70, "distractor": 71, "n": 2})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert sum(part["effect"] for part in found["parts"]) == pytest.approx(found["difference"], abs=1e-4)
    one = found["dictionaries"][0]
    assert len(one["features"]) == 2
    whole = one["bias"] + one["unexplained"] + one["rest"] + sum(feature["effect"] for feature in one["features"])
    assert whole == pytest.approx(one["total"], abs=1e-4)


def test_two_prompts_side_by_side(api: httpx.Client):
    a, b = create(api), create(api, "The bridge over the iron river.")
    found = api.get("/api/prompts/compare", params={"a": a["id"], "b": b["id"]}).json()
    assert found["edits"] >= 1
    assert [pair["a"] for pair in found["pairs"] if pair["a"] is not None] == list(range(len(a["tokens"])))
    first = found["differences"][0]
    assert min(first["cosine"]) > 0.99
    assert len(first["cosine"]) == a["n_layers"]
    same = api.get("/api/prompts/compare", params={"a": a["id"], "b": a["id"]}).json()
    assert same["edits"] == 0


def test_messages_go_through_the_template(api: httpx.Client):
    said = [{"role": "user", "content": "hi"}]
    preview = api.post("/api/prompts/preview", json={"model": "tiny-model", "messages": said}).json()
    assert preview["text"] == "<|user|>hi<|model|>"
    assert preview["tokens"][0] == {"id": preview["tokens"][0]["id"], "text": "<|user|>", "is_special": True}
    assert preview["limit"] == 256
    made = create(api, None, messages=said)
    assert [token["id"] for token in made["tokens"]] == [token["id"] for token in preview["tokens"]]
    assert made["messages"] == said


def test_hostile_text_stays_text(api: httpx.Client):
    made = create(api, HOSTILE)
    answer = api.get(f"/api/prompts/{made['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["text"] == HOSTILE


def test_lists_and_throwing_away(api: httpx.Client):
    ids = [create(api)["id"] for _ in range(2)]
    listed = api.get("/api/prompts", params={"limit": 1}).json()
    assert len(listed["items"]) == 1
    assert listed["next"] is not None
    assert api.get("/api/prompts", params={"cursor": listed["next"]}).status_code == 200
    for one in ids:
        assert api.delete(f"/api/prompts/{one}").status_code == 204
        assert api.get(f"/api/prompts/{one}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"text": "a b c d " * 200}, 422, "prompt-too-long"),
        ({"text": ""}, 400, "bad-request"),
        ({}, 400, "bad-request"),
        ({"text": "a", "messages": [{"role": "user", "content": "a"}]}, 400, "bad-request"),
        ({"text": "a", "dictionaries": ["tin"]}, 404, "unknown-name"),
        ({"text": "a", "model": "nowhere"}, 404, "unknown-name"),
        ({"text": 3}, 422, "wrong-words"),
    ],
)
def test_wrong_words(api: httpx.Client, body: dict, status: int, kind: str):
    answer = api.post("/api/prompts", json={"model": "tiny-model", **body})
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert answer.json()["hint"]


@pytest.mark.parametrize(
    "path", ["cell?layer=9&position=0", "cell?layer=0&position=999", "attention/0/9", "attention/9/0"]
)
def test_what_is_outside_the_grid(api: httpx.Client, path: str):
    assert api.get(f"/api/prompts/{create(api)['id']}/{path}").status_code == 400


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "nope", "%00", ".hidden"])
def test_ids_are_no_paths(api: httpx.Client, name: str):
    assert api.get(f"/api/prompts/{name}").status_code in (400, 404)
    assert api.delete(f"/api/prompts/{name}").status_code in (400, 404, 405)
