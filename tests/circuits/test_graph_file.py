"""Files of graphs: ours come back whole, others' are read with their quirks, and broken ones say where."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hooke.circuits.graph import Graph, Node, TraceSettings
from hooke.circuits.graph_file import (
    cantor,
    cantor_pair,
    graph_ids,
    graph_json,
    keep_graph,
    load_graph,
    open_graph,
    save_graph,
    strongest,
)
from hooke.circuits.trace import trace
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import open_lab
from tests.circuits.hand_made import CONSTANT, ERROR, FEATURE, LOGIT, TOKEN, graph_of
from tests.models.tiny import tiny_model

SMALL = graph_of(
    FEATURE,
    LOGIT,
    ERROR,
    TOKEN,
    CONSTANT,
    edges={(TOKEN, FEATURE): 1.0, (FEATURE, LOGIT): 0.6, (ERROR, LOGIT): 0.3, (CONSTANT, LOGIT): 0.1},
)


@pytest.fixture(scope="module")
def traced() -> Graph:
    return trace(tiny_model(), "neurons", torch.arange(6)[None] + 3, settings=TraceSettings(max_nodes=20))


@given(st.integers(0, 10_000), st.integers(0, 1_000_000))
def test_pairs_come_back_from_their_number(x: int, y: int):
    assert cantor_pair(cantor(x, y)) == (x, y)


def test_a_traced_graph_comes_back(traced: Graph, tmp_path: Path):
    save_graph(traced, tmp_path / "one.json")
    again = load_graph(tmp_path / "one.json")
    assert again.nodes == traced.nodes
    assert again.settings == traced.settings
    np.testing.assert_allclose(again.weights, traced.weights, rtol=1e-6)
    assert again.residual_errors().max() <= 1e-4


def test_left_out_edges_stay_in_the_account(traced: Graph, tmp_path: Path):
    save_graph(traced, tmp_path / "one.json", max_edges=50)
    again = load_graph(tmp_path / "one.json")
    assert 0 < again.n_edges < traced.n_edges
    assert again.residual_errors().max() <= 1e-4
    assert strongest(traced, 10**9) is traced


def test_the_lab_keeps_graphs(tmp_path: Path):
    lab = open_lab(tmp_path)
    keep_graph(SMALL, lab, "first")
    assert graph_ids(lab) == ["first"]
    assert open_graph("first", lab).prompt == SMALL.prompt
    with pytest.raises(UnknownName, match="second"):
        open_graph("second", lab)


def foreign() -> dict[str, Any]:
    """The small graph as another tool would have written it."""
    data = graph_json(SMALL, slug="toy")
    del data["hooke"]
    return data


def written(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "graph.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_graph_of_another_tool_is_read(tmp_path: Path):
    graph = load_graph(written(tmp_path, foreign()))
    feature = graph.nodes[graph.number("0/7@0")]
    assert feature.activation == 1.0
    assert graph.nodes[graph.targets[0]].name == " Paris"
    assert graph.weights[graph.targets[0], graph.number("0/7@0")] == pytest.approx(0.6)
    assert graph_json(graph, slug="toy")["links"] == foreign()["links"]


def test_a_feature_and_an_error_of_one_id_are_told_apart(tmp_path: Path):
    twin = Node(kind="feature", layer=0, position=0, index=0, activation=1.0, value=1.0)
    graph = graph_of(twin, LOGIT, ERROR, TOKEN, edges={(TOKEN, twin): 1.0, (twin, LOGIT): 0.5, (ERROR, LOGIT): 0.5})
    save_graph(graph, tmp_path / "one.json")
    again = load_graph(tmp_path / "one.json")
    np.testing.assert_allclose(again.weights, graph.weights)


def change(**new: Any) -> dict[str, Any]:
    return foreign() | new


BROKEN = {
    "cut short": (json.dumps(foreign())[:-40], "could not be read"),
    "a list": ([1, 2], "the file"),
    "no nodes": ({"metadata": foreign()["metadata"], "links": []}, "nodes"),
    "unknown node": (change(links=[{"source": "9_9_9", "target": "0_7_0", "weight": 1.0}]), "no node '9_9_9'"),
    "a weight that is no number": (change(links=[{"source": "E_3_0", "target": "0_7_0", "weight": "x"}]), "links.0"),
    "NaN": (json.dumps(change(links=[{"source": "E_3_0", "target": "0_7_0", "weight": float("nan")}])), "links.0"),
    "an id twice": (change(nodes=[*foreign()["nodes"], foreign()["nodes"][0]]), "twice"),
    "downwards": (change(links=[{"source": "0_7_0", "target": "0_7_0", "weight": 1.0}]), "upwards"),
    "a strange type": (change(nodes=[{**foreign()["nodes"][0], "feature_type": "soup"}]), "soup"),
    "no target": (change(nodes=foreign()["nodes"][:1], links=[]), "no logit"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_says_where(case: str, tmp_path: Path):
    data, told = BROKEN[case]
    with pytest.raises(BadArtefact, match=told):
        load_graph(written(tmp_path, data))
