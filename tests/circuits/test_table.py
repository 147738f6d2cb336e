import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hooke.circuits.graph_file import save_graph
from hooke.circuits.scores import influence, shares, weights
from hooke.circuits.table import KINDS, summary_of, table_of
from hooke.errors import BadArtefact
from tests.circuits.hand_made import random_graph


def test_columns_say_what_the_graph_says():
    graph = random_graph(3)
    table = table_of(graph)
    for number, node in enumerate(graph.nodes):
        assert KINDS[table.nodes["kind"][number]] == node.kind
        assert table.nodes["layer"][number] == (-1 if node.layer is None else node.layer)
        assert np.isnan(table.nodes["effect"][number]) == (node.effect is None)
    assert np.allclose(table.nodes["influence"], influence(graph))
    edges = table.edges
    assert len(edges["source"]) == graph.n_edges
    assert (edges["weight"] == graph.weights[edges["target"], edges["source"]]).all()
    assert np.allclose(edges["share"], shares(graph)[edges["target"], edges["source"]])


def test_the_edges_that_carry_most_are_kept():
    graph = random_graph(3)
    flow = shares(graph) * (influence(graph) + weights(graph))[: graph.n_rows, None]
    kept = table_of(graph, most_edges=10).edges
    assert np.allclose(kept["flow"], np.sort(flow.ravel())[::-1][:10])


def test_a_summary_is_read_without_the_graph_being_built(tmp_path: Path):
    graph = replace(random_graph(1), measures={"beats_controls": False})
    save_graph(graph, tmp_path / "one.json")
    found = summary_of(tmp_path / "one.json")
    assert (found.prompt, found.model, found.dictionary) == ("The capital", "toy", "hand")
    assert found.targets == (" Paris",)
    assert (found.n_nodes, found.n_edges, found.beats_controls) == (len(graph.nodes), graph.n_edges, False)


@pytest.mark.parametrize("damage", [lambda data: data.pop("nodes"), lambda data: data.update(metadata=[])])
def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, damage):
    path = tmp_path / "one.json"
    save_graph(random_graph(1), path)
    data = json.loads(path.read_text())
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(BadArtefact, match="attribution graph"):
        summary_of(path)
