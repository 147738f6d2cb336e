"""Training runs over HTTP, finished and under way."""

import json
from pathlib import Path

import httpx

from tests.cli.tiny_lab import TinyLab


def test_a_finished_run_with_its_curves(api: httpx.Client):
    runs = {one["name"]: one for one in api.get("/api/runs").json()["items"]}
    assert runs["trained"]["is_finished"]
    assert runs["trained"]["tokens"] == runs["trained"]["total_tokens"] == 640
    detail = api.get("/api/runs/trained").json()
    assert detail["settings"]["n_features"] == 16
    assert "loss" in detail["metrics"]
    metrics = api.get("/api/runs/trained/metrics").json()
    assert metrics["next_since"] == detail["n_lines"] > 0
    assert len(metrics["curves"]["loss"]["tokens"]) == len(metrics["curves"]["loss"]["values"])
    later = api.get("/api/runs/trained/metrics", params={"since": metrics["next_since"]}).json()
    assert later["curves"] == {}


def test_a_run_under_way_grows(api: httpx.Client, server_lab: TinyLab):
    folder: Path = server_lab.lab.root / "dictionaries" / ".growing.training"
    folder.mkdir(parents=True)
    log = folder / "training.jsonl"
    log.write_text("".join(json.dumps({"tokens": 10 * n, "loss": 1 / (n + 1)}) + "\n" for n in range(5000)))
    try:
        run = api.get("/api/runs/growing").json()
        assert not run["is_finished"]
        assert run["tokens"] == 49990
        first = api.get("/api/runs/growing/metrics", params={"points": 100}).json()
        assert len(first["curves"]["loss"]["tokens"]) <= 100
        assert max(first["curves"]["loss"]["values"]) == 1.0
        with log.open("a") as handle:
            handle.write('{"tokens": 50000, "loss": 7.0}\n{"tokens": 5001')
        more = api.get("/api/runs/growing/metrics", params={"since": first["next_since"]}).json()
        assert more["curves"]["loss"] == {"tokens": [50000], "values": [7.0]}
        restarted = api.get("/api/runs/growing/metrics", params={"since": 99999}).json()
        assert restarted["is_restart"]
        assert restarted["next_since"] == 5001
    finally:
        log.unlink()
        folder.rmdir()


def test_what_is_not_there(api: httpx.Client):
    answer = api.get("/api/runs/traine")
    assert answer.status_code == 404
    assert "trained" in answer.json()["detail"]
    assert api.get("/api/runs/..%2Fx").status_code in (400, 404)
    assert api.get("/api/runs/trained/metrics", params={"points": 1}).status_code == 422
