"""Models over HTTP."""

import asyncio
import threading

import httpx

from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import running


def test_a_model_is_listed_loaded_and_described(server_lab: TinyLab):
    with running(server_lab.lab, model=server_lab.model) as server, server.client() as api:
        listed = {one["name"]: one for one in api.get("/api/models").json()["items"]}
        assert listed["tiny-model"]["facts"] is None
        assert not listed["tiny-model"]["is_loaded"]
        loaded = api.post("/api/models/tiny-model/load").json()
        assert loaded["is_loaded"]
        facts = loaded["facts"]
        assert (facts["width"], facts["context"], facts["has_template"]) == (32, 256, True)
        kinds = {one["kind"]: one for one in facts["sites"]}
        assert kinds["resid_post"]["layers"] == list(range(facts["n_layers"]))
        assert kinds["pattern"]["width"] is None
        assert api.get("/api/models/tiny-model").json() == loaded


def test_a_busy_model_is_described_at_once(server_lab: TinyLab):
    with running(server_lab.lab, model=server_lab.model) as server, server.client() as api:
        loaded = api.post("/api/models/tiny-model/load").json()
        is_free = threading.Event()
        turn = server.app.state.residents.with_model("tiny-model", "another", lambda model: is_free.wait(30))
        working = threading.Thread(target=asyncio.run, args=(turn,))
        working.start()
        try:
            assert api.get("/api/models/tiny-model", timeout=10).json() == loaded
            assert loaded in api.get("/api/models", timeout=10).json()["items"]
        finally:
            is_free.set()
            working.join()


def test_an_unknown_model_is_refused(api: httpx.Client):
    for answer in (api.get("/api/models/tiny-mode"), api.post("/api/models/tiny-mode/load")):
        assert answer.status_code == 404
        assert "tiny-model" in answer.text


def test_a_server_without_models_says_so(server_lab: TinyLab):
    with running(server_lab.lab, model=server_lab.model, read_only=True) as server, server.client() as api:
        assert not api.get("/api/models/tiny-model").json()["can_load"]
        answer = api.post("/api/models/tiny-model/load")
        assert (answer.status_code, answer.json()["type"]) == (409, "no-model")
