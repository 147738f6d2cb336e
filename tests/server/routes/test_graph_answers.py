"""Questions to a graph over HTTP: paths, suggestions, and interventions on the model."""

from collections.abc import Iterator

import httpx
import pytest

from hooke.circuits.graph import Graph
from hooke.circuits.graph_file import keep_graph, open_kept
from hooke.server.routes.graphs import TraceArguments, trace_work
from tests.circuits.hand_made import random_graph
from tests.cli.tiny_lab import TinyLab
from tests.server.tiny_server import running

HERE = "/api/graphs/asked-of"


@pytest.fixture(scope="module")
def graph(server_lab: TinyLab) -> Iterator[Graph]:
    arguments = TraceArguments(
        name="asked-of",
        model="tiny-model",
        prompt="The bridge over the river",
        max_nodes=20,
        reference=str(server_lab.model),
    )
    trace_work(server_lab.lab, arguments)
    yield open_kept("asked-of", server_lab.lab)
    server_lab.lab.path("graphs", "asked-of.json").unlink()


def test_paths_lead_from_a_node_to_a_target(api: httpx.Client, graph: Graph):
    found = api.get(f"{HERE}/paths", params={"n": 5}).json()
    assert found["target"] == graph.nodes[graph.targets[0]].id
    strengths = [path["strength"] for path in found["items"]]
    assert strengths == sorted(strengths, reverse=True)
    assert all(path["nodes"][-1] == found["target"] for path in found["items"])
    source = found["items"][0]["nodes"][0]
    only = api.get(f"{HERE}/paths", params={"source": source, "n": 3}).json()
    assert {path["nodes"][0] for path in only["items"]} == {source}
    assert "→" in only["items"][0]["text"]
    inner = next(path["nodes"][1] for path in found["items"] if len(path["nodes"]) > 2)
    avoided = api.get(f"{HERE}/paths", params={"avoiding": inner}).json()
    assert all(inner not in path["nodes"] for path in avoided["items"])
    assert api.get(f"{HERE}/paths", params={"source": "9/9@9"}).status_code == 400


def test_suggestions_are_offered_and_nothing_is_grouped(api: httpx.Client, graph: Graph):
    found = api.get(f"{HERE}/suggestions").json()["items"]
    known = {node.id for node in graph.nodes}
    assert all(len(one["nodes"]) > 1 and set(one["nodes"]) <= known and one["reason"] for one in found)
    assert api.get(HERE).json()["supernodes"] == []


def test_predicted_and_measured_effects_stand_beside_a_control(api: httpx.Client, graph: Graph):
    features = sorted(
        (node for node in graph.nodes if node.effect is not None), key=lambda node: -abs(node.effect or 0)
    )[:3]
    single = [{"nodes": [node.id], "factor": 0.0} for node in features]
    items = [*single, {"nodes": [node.id for node in features], "factor": 1.0}]
    answer = api.post(f"{HERE}/interventions", json={"items": items})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for node, effect in zip(features, found["items"], strict=False):
        assert effect["predicted"] == pytest.approx(-node.effect)
        assert effect["measured"] != 0
    # A factor of 1 changes nothing.
    assert found["items"][-1]["measured"] == pytest.approx(0, abs=1e-5)
    assert found["base"] == pytest.approx(graph.nodes[graph.targets[0]].value, rel=1e-3)


def test_interventions_on_what_is_no_feature_or_no_graph_of_ours_are_refused(
    api: httpx.Client, graph: Graph, server_lab: TinyLab
):
    items = {"items": [{"nodes": ["token@0"]}]}
    assert api.post(f"{HERE}/interventions", json=items).status_code == 400
    keep_graph(random_graph(0), server_lab.lab, "foreign")
    try:
        assert api.post("/api/graphs/foreign/interventions", json=items).status_code in (400, 404)
    finally:
        server_lab.lab.path("graphs", "foreign.json").unlink()
    with running(server_lab.lab, read_only=True) as server, server.client() as offline:
        answer = offline.post(f"{HERE}/interventions", json={"items": [{"nodes": [graph.nodes[0].id]}]})
        assert (answer.status_code, answer.json()["type"]) == (409, "no-model")
