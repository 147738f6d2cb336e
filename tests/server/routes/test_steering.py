"""Steering over HTTP: streams, their laws, recipes, and the command line's agreement."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from hooke.server.residents import Residents
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import Microscope

RECIPE = {"name": "some", "edits": [{"feature": "resid_post.1/3@tiny", "strength": 3.0}]}
BODY: dict[str, Any] = {"model": "tiny-model", "recipe": RECIPE, "prompt": "The bridge", "max_tokens": 6}


def events(api: httpx.Client, path: str = "/api/steer", **changes) -> list[tuple[str, dict]]:
    answer = api.post(path, json=BODY | changes)
    assert answer.status_code == 200, answer.text
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n") if not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def texts(found: list[tuple[str, dict]]) -> dict[tuple[str, int], str]:
    said: dict[tuple[str, int], str] = {}
    for name, data in found:
        if name == "token":
            key = data["arm"], data["sample"]
            said[key] = said.get(key, "") + data["text"]
    return said


def test_three_arms_grow_side_by_side(api: httpx.Client):
    found = events(api, samples=2, temperature=1.0)
    names = [name for name, _ in found]
    assert names[0] == "start"
    assert names[-2:] == ["metrics", "end"]
    assert "warning" in names, "strength 3 is beyond the corpus"
    tokens = [data for name, data in found if name == "token"]
    assert {(one["arm"], one["sample"]) for one in tokens[:6]} == {
        (arm, sample) for arm in ("base", "treated", "random") for sample in range(2)
    }
    assert [one["step"] for one in tokens] == sorted(one["step"] for one in tokens)
    for one in tokens:
        if one["arm"] == "base":
            assert one["logprob"] == one["base_logprob"]
    metrics = dict(found)["metrics"]["arms"]
    assert metrics["base"]["kl"]["value"] == 0
    assert metrics["treated"]["kl"]["value"] > 0
    assert metrics["treated"]["perplexity"]["low"] <= metrics["treated"]["perplexity"]["value"]


def test_the_same_request_gives_the_same_text(api: httpx.Client):
    one, again, other = (texts(events(api, temperature=1.0, seed=seed)) for seed in (5, 5, 6))
    assert one == again
    assert one != other


def test_the_base_text_is_what_the_model_says_by_itself(api: httpx.Client, server_lab: TinyLab):
    import hooke

    model = hooke.load(str(server_lab.model), lab=server_lab.lab)
    assert texts(events(api))["base", 0] == model.generate("The bridge", max_tokens=6)


def test_a_sweep_has_a_cell_for_each_strength_and_arm(api: httpx.Client):
    found = events(api, "/api/steer/sweep", strengths=[0.5, 2], arms=["treated", "random"], max_tokens=3)
    cells = [(data["strength"], data["arm"]) for name, data in found if name == "cell"]
    assert cells == [(0, "base"), (0.5, "treated"), (0.5, "random"), (2, "treated"), (2, "random")]


def test_messages_are_answered(api: httpx.Client):
    start = dict(events(api, prompt=None, messages=[{"role": "user", "content": "hi"}], max_tokens=2))["start"]
    assert start["prompt"] == "<|user|>hi<|model|>"


def test_two_browsers_take_turns(microscope: Microscope):
    orders: list[str] = []

    def steer(name: str) -> None:
        with microscope.client() as api, api.stream("POST", "/api/steer", json=BODY | {"max_tokens": 40}) as answer:
            for line in answer.iter_lines():
                if line == "event: token":
                    orders.append(name)

    threads = [threading.Thread(target=steer, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    switches = sum(x != y for x, y in zip(orders, orders[1:], strict=False))
    # One after the other there would be one switch.
    assert switches > 4
    assert {"a", "b"} == set(orders)


def test_a_browser_that_waits_for_another_is_told_its_place(microscope: Microscope):
    residents: Residents = microscope.app.state.residents
    gate = threading.Event()

    def hold() -> None:
        asyncio.run(residents.with_model("tiny-model", "another", lambda _: gate.wait(30)))

    holder = threading.Thread(target=hold)
    holder.start()
    found: list[str] = []
    with microscope.client() as api, api.stream("POST", "/api/steer", json=BODY | {"max_tokens": 2}) as answer:
        for line in answer.iter_lines():
            found.append(line)
            if line.startswith("data:"):
                gate.set()
    holder.join(30)
    assert found[:2] == ["event: queue", 'data: {"place":1}']
    assert "event: metrics" in found


def test_a_browser_that_leaves_frees_the_model(microscope: Microscope):
    with (
        microscope.client() as api,
        api.stream("POST", "/api/steer", json=BODY | {"max_tokens": 200, "samples": 8, "temperature": 1.0}) as answer,
    ):
        next(answer.iter_lines())
    with microscope.client() as api:
        begin = time.perf_counter()
        assert api.post("/api/prompts/preview", json={"model": "tiny-model", "text": "a"}).status_code == 200
        # 1,600 tokens of the tiny model would take far longer than this.
        assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        ({"feature": "resid_post.1/99999@tiny"}, 404),
        ({"feature": "resid_post.1/1@nowhere"}, 404),
        ({"feature": "resid_post.1/1@bare"}, 404),
        ({"feature": "resid_post.1/1"}, 400),
        ({"feature": "nonsense"}, 400),
        ({}, 400),
        ({"site": "resid_post.1", "vector": [1.0]}, 422),
        ({"site": "resid_post.99", "vector": [0.0] * 32}, 404),
        ({"site": "resid_post.1", "vector": [0.0] * 32, "how": "clamp"}, 400),
        ({"feature": "resid_post.1/1@tiny", "strength": 1e9}, 422),
        ({"feature": "resid_post.1/1@tiny", "positions": [10**30]}, 422),
        ({"feature": "resid_post.1/1@tiny", "positions": "99999999999999999999:"}, 422),
        ({"feature": "resid_post.1/1@tiny", "positions": "-:"}, 400),
    ],
)
def test_what_cannot_be_steered_is_refused_before_the_stream(api: httpx.Client, edit: dict, status: int):
    answer = api.post("/api/steer", json=BODY | {"recipe": {"name": "x", "edits": [edit]}})
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    assert answer.status_code in (status, 404 if status == 400 else status)


def test_too_long_is_refused(api: httpx.Client):
    answer = api.post("/api/steer", json=BODY | {"max_tokens": 256})
    assert (answer.status_code, answer.json()["type"]) == (422, "prompt-too-long")


def test_recipes_are_saved_listed_and_thrown_away(api: httpx.Client, server_lab: TinyLab):
    saved = api.put("/api/recipes/other", json=RECIPE).json()
    assert saved["name"] == "other"
    assert api.get("/api/recipes/other").json() == saved
    assert [one["name"] for one in api.get("/api/recipes").json()["items"]] == ["other"]
    (server_lab.lab.root / "recipes" / "broken.json").write_text("{")
    assert api.get("/api/recipes").json()["total"] == 1
    assert api.get("/api/recipes/broken").status_code == 400
    beyond = {"name": "no plain name", "edits": [{"feature": "resid_post.1/3@tiny", "strength": 99999}]}
    (server_lab.lab.root / "recipes" / "broken.json").write_text(json.dumps(beyond))
    assert api.get("/api/recipes").json()["total"] == 1
    assert api.get("/api/recipes/broken").status_code == 422
    assert api.delete("/api/recipes/broken").status_code == 204
    assert api.delete("/api/recipes/other").status_code == 204
    assert api.get("/api/recipes/other").status_code == 404
    for name in ("..%2Fx", ".x", "%00"):
        assert api.put(f"/api/recipes/{name}", json=RECIPE).status_code in (400, 404, 405, 422)


def test_the_command_line_says_the_same(api: httpx.Client, server_lab: TinyLab, capsys: pytest.CaptureFixture[str]):
    from hooke.cli.app import main

    api.put("/api/recipes/shared", json=RECIPE)
    path: Path = server_lab.lab.root / "recipes" / "shared.json"
    words = ["steer", "The bridge", "--recipe", str(path), "--max-tokens", "6", "--model", str(server_lab.model)]
    capsys.readouterr()
    assert main([*words, "--lab", str(server_lab.lab.root), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    found = events(api)
    assert {(arm, 0): one[0] for arm, one in data["texts"].items()} == texts(found)
    measured = dict(found)["metrics"]["arms"]
    for arm, own in data["measures"].items():
        assert own["perplexity"]["value"] == pytest.approx(measured[arm]["perplexity"]["value"], rel=1e-4)
    api.delete("/api/recipes/shared")
