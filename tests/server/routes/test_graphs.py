"""Graphs over HTTP: traced by a job, listed, read as arrays, marked."""

import json
import shutil
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from hooke.circuits.graph_file import keep_graph, open_kept
from hooke.circuits.table import KINDS
from hooke.lab import Lab
from hooke.server.routes.graphs import TraceArguments, trace_work
from tests.circuits.hand_made import random_graph
from tests.cli.tiny_lab import TinyLab

PROMPT = "The bridge over the river"


@pytest.fixture(scope="module")
def traced(server_lab: TinyLab) -> Iterator[str]:
    arguments = TraceArguments(
        name="bridge", model="tiny-model", prompt=PROMPT, max_nodes=20, reference=str(server_lab.model)
    )
    assert trace_work(server_lab.lab, arguments) == {"graph": "bridge"}
    yield "bridge"
    server_lab.lab.path("graphs", "bridge.json").unlink()


def test_a_traced_prompt_is_listed_and_read(api: httpx.Client, server_lab: TinyLab, traced: str):
    listed = api.get("/api/graphs").json()
    entry = next(one for one in listed["items"] if one["id"] == traced)
    assert (entry["prompt"], entry["model"], entry["beats_controls"]) == (PROMPT, "tiny-model", None)
    graph = open_kept(traced, server_lab.lab)
    found = api.get(f"/api/graphs/{traced}").json()
    assert "".join(found["tokens"]) == PROMPT
    assert found["kinds"] == list(KINDS)
    assert found["ids"] == [node.id for node in graph.nodes]
    assert found["targets"][0]["node"] == graph.nodes[graph.targets[0]].id
    assert found["measures"]["is_conserved"]
    arrays = load(api.get(f"/api/graphs/{traced}/arrays").content)
    assert len(arrays["node.kind"]) == found["n_nodes"] == entry["n_nodes"]
    assert (arrays["edge.weight"] == graph.weights[arrays["edge.target"], arrays["edge.source"]]).all()
    assert (np.diff(arrays["edge.flow"]) <= 1e-9).all()


def test_marks_are_kept_in_the_file(api: httpx.Client, server_lab: TinyLab, traced: str):
    ids = api.get(f"/api/graphs/{traced}").json()["ids"]
    marks = {"pinned": [ids[0], ids[1], ids[0]], "supernodes": [{"name": "two", "nodes": [ids[0], ids[2]]}]}
    assert api.put(f"/api/graphs/{traced}/marks", json=marks).json()["pinned"] == [ids[0], ids[1]]
    kept = open_kept(traced, server_lab.lab)
    assert (kept.pinned, kept.supernodes) == ((ids[0], ids[1]), (("two", (ids[0], ids[2])),))
    assert api.get(f"/api/graphs/{traced}").json()["supernodes"] == marks["supernodes"]


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ({"pinned": ["9/9@9"], "supernodes": []}, "no node '9/9@9'"),
        ({"pinned": [], "supernodes": [{"name": "a", "nodes": ["token@0"]}] * 2}, "same name"),
        ({"pinned": [], "supernodes": [{"name": name, "nodes": ["token@0"]} for name in "ab"]}, "two groups"),
    ],
)
def test_marks_that_do_not_fit_are_refused_and_nothing_is_changed(
    api: httpx.Client, server_lab: TinyLab, traced: str, marks: dict, words: str
):
    before = server_lab.lab.path("graphs", "bridge.json").read_bytes()
    answer = api.put(f"/api/graphs/{traced}/marks", json=marks)
    assert answer.status_code == 400
    assert words in answer.text
    assert server_lab.lab.path("graphs", "bridge.json").read_bytes() == before


def test_tracing_is_a_job(api: httpx.Client, server_lab: TinyLab):
    body = {"name": "asked", "model": "tiny-model", "prompt": PROMPT, "max_nodes": 5}
    started = api.post("/api/graphs", json=body)
    assert started.status_code == 202
    job = api.get(f"/api/jobs/{started.json()['job']}").json()
    assert (job["kind"], job["arguments"]["reference"]) == ("trace", str(server_lab.model))
    api.post(f"/api/jobs/{job['id']}/cancel")


def test_what_cannot_be_traced_is_refused_before_a_job_is_made(api: httpx.Client, traced: str):
    body = {"name": traced, "model": "tiny-model", "prompt": PROMPT}
    taken = api.post("/api/graphs", json=body)
    assert (taken.status_code, "another name" in taken.text) == (400, True)
    for change in ({"model": "none"}, {"dictionary": "none"}):
        assert api.post("/api/graphs", json=body | {"name": "new"} | change).status_code == 404
    assert api.post("/api/graphs", json=body | {"name": "../new"}).status_code == 422


def test_damaged_graphs_are_named_and_the_others_listed(api: httpx.Client, server_lab: TinyLab):
    keep_graph(random_graph(0), server_lab.lab, "whole")
    path = server_lab.lab.path("graphs", "broken.json")
    path.write_text(json.dumps({"metadata": {}}))
    try:
        listed = api.get("/api/graphs").json()
        assert "broken" in listed["damaged"]
        assert "whole" in [one["id"] for one in listed["items"]]
        assert api.get("/api/graphs/broken").status_code == 422
        assert api.get("/api/graphs/absent").status_code == 404
    finally:
        for name in ("broken", "whole"):
            server_lab.lab.path("graphs", f"{name}.json").unlink()


def test_the_list_comes_in_pages(api: httpx.Client, server_lab: TinyLab):
    names = [f"page{at}" for at in range(3)]
    for name in names:
        keep_graph(random_graph(0), server_lab.lab, name)
    try:
        found, cursor = [], None
        while True:
            page = api.get("/api/graphs", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
            found += [one["id"] for one in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(found) == len(set(found)) == page["total"]
        assert set(names) <= set(found)
    finally:
        for name in names:
            server_lab.lab.path("graphs", f"{name}.json").unlink()


def test_a_failed_trace_leaves_nothing(server_lab: TinyLab, tmp_path):
    lab = Lab(tmp_path / "lab")
    shutil.copytree(server_lab.model, lab.path("models", "tiny-model"))
    arguments = TraceArguments(name="one", model="tiny-model", prompt="The", reference=str(server_lab.model))
    with pytest.raises(Exception, match="one token"):
        trace_work(lab, arguments)
    assert lab.names("graphs") == []
