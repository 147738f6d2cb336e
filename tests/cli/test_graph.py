"""`hooke graph`."""

from pathlib import Path

from hooke.circuits.graph_file import load_graph
from tests.cli.conftest import Hooke


def test_a_kept_graph_is_listed_shown_and_exported(hooke: Hooke, tmp_path: Path):
    hooke("trace MODEL bridge-of-iron --max-nodes 20 --name iron")
    listed = hooke("graph list --json").data["graphs"]
    assert [graph["id"] for graph in listed if graph["id"] == "iron"] == ["iron"]
    nodes = hooke("graph show iron --json").data["nodes"]
    assert all(
        float(one["influence"]) >= float(other["influence"]) for one, other in zip(nodes, nodes[1:], strict=False)
    )
    file = tmp_path / "small.json"
    assert hooke(f"graph export iron {file} --max-edges 30 --json").data["edges"] >= 30
    assert load_graph(file).residual_errors().max() <= 1e-4


def test_edges_of_one_node(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 20 --name one")
    node = next(node["id"] for node in hooke("graph show one --json --top 99").data["nodes"] if "/" in node["id"])
    edges = hooke(f"graph show one --node {node} --json").data["edges"]
    assert {edge["side"] for edge in edges} <= {"from", "to"}
    assert edges


def test_what_is_not_there_is_named(hooke: Hooke):
    done = hooke("graph show nowhere")
    assert done.code != 0
    assert "nowhere" in done.err
    hooke("trace MODEL bridge-of-iron --max-nodes 5 --name two")
    assert "no node '9/9@9'" in hooke("graph show two --node 9/9@9").err


def test_validation_is_kept_with_the_graph(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 40 --name tested")
    data = hooke("graph validate tested --model MODEL --strongest 5 --others 8 --json").data
    assert [finding["n"] for finding in data["findings"]][0] == 13
    assert hooke("graph list --json").code == 0
    shown = hooke("graph validate tested --model MODEL --strongest 5 --others 8").out.replace("\n", " ")
    assert "shuffled" in shown
