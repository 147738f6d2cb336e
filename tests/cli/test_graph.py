"""`hooke graph`."""

from pathlib import Path

from hooke.circuits.graph_file import load_graph
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


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


def test_validation_is_kept_with_the_graph(hooke: Hooke, tiny: TinyLab):
    hooke("trace MODEL bridge-of-iron --max-nodes 40 --name tested")
    data = hooke("graph validate tested --model MODEL --strongest 5 --others 8 --json").data
    assert [finding["n"] for finding in data["findings"]][0] == 13
    assert data["constrained"]["n_sources"] == 40
    assert data["constrained"]["error"] <= 1e-4
    kept = tiny.lab.path("graphs", "tested.json")
    assert load_graph(kept).measures["constrained_error"] == data["constrained"]["error"]
    shown = hooke("graph validate tested --model MODEL --strongest 5 --others 8").out.replace("\n", " ")
    assert "shuffled" in shown
    assert "the edges are exact" in shown


def test_a_pruned_graph_is_smaller_and_kept(hooke: Hooke, tmp_path: Path):
    hooke("trace MODEL bridge-of-iron --max-nodes 40 --name whole")
    data = hooke(f"graph prune whole --nodes 0.5 --edges 0.7 --name cut --out {tmp_path / 'cut.json'} --json").data
    assert data["nodes"] < data["nodes_before"]
    assert data["edges"] < data["edges_before"]
    assert load_graph(tmp_path / "cut.json").residual_errors().max() <= 1e-4
    assert "cut" in hooke("graph list").out
    assert "no share" in hooke("graph prune whole --nodes 2").err
    assert "Not kept" in hooke("graph prune whole").out


def test_paths_have_shares_and_words(hooke: Hooke):
    hooke("trace MODEL bridge-of-iron --max-nodes 40 --name ways")
    found = hooke("graph paths ways --top 5 --json").data["paths"]
    assert len(found) == 5
    assert all(0 < path["share"] <= 1 for path in found)
    middle = next((path["nodes"][1] for path in found if len(path["nodes"]) > 2), None)
    if middle:
        others = hooke(f"graph paths ways --avoiding {middle} --json").data["paths"]
        assert all(middle not in path["nodes"] for path in others)
        assert all(
            middle in path["nodes"] for path in hooke(f"graph paths ways --through {middle} --json").data["paths"]
        )
    assert "made from labels" in hooke("graph paths ways --source token@0").out
    assert "no node" in hooke("graph paths ways --source token@99").err
