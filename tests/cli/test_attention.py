"""`hooke graph attention` and `hooke graph heads`."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


@pytest.fixture
def looks(hooke: Hooke) -> str:
    """A graph of a tiny model."""
    hooke("trace MODEL bridge-of-iron --max-nodes 30 --name looks")
    return "looks"


def test_pairs_sum_to_the_score(hooke: Hooke, looks: str):
    command = f"graph attention {looks} --model MODEL --head 2.1 --query -1 --key 1 --top 5"
    data = hooke(f"{command} --json").data
    assert data["error"] <= 1e-4
    assert data["total"] == pytest.approx(data["score"], rel=1e-4)
    assert len(data["pairs"]) == len(data["by_query"]) == 5
    assert sum(one["score"] for one in data["by_kinds"]) == pytest.approx(data["score"], rel=1e-3)
    assert data["query"] > data["key"] == 1
    shown = hooke(command).out
    assert "before mask and softmax" in shown
    assert data["pairs"][0]["query"] in shown


def test_against_another_key(hooke: Hooke, looks: str):
    command = f"graph attention {looks} --model MODEL --head 1.0 --query -1 --key 1"
    one, other, both = (
        hooke(f"{words} --json").data["score"] for words in (command, f"{command[:-1]}2", f"{command} --against 2")
    )
    assert both == pytest.approx(one - other, abs=1e-4)
    assert "against" in hooke(f"{command} --against 2").out


def test_steps_sum_to_the_edge(hooke: Hooke, looks: str):
    nodes = hooke(f"graph show {looks} --json --top 99").data["nodes"]
    feature = next(node["id"] for node in nodes if node["id"].startswith("1/"))
    for source, target in (("token@1", feature), ("token@0", feature)):
        data = hooke(f"graph heads {looks} {source} {target} --model MODEL --json").data
        assert data["total"] == pytest.approx(data["edge"], rel=1e-3, abs=1e-6)
        assert sum(step["share"] for step in data["steps"]) == pytest.approx(1 if data["steps"] else 0)
    assert "all steps sum to" in hooke(f"graph heads {looks} token@0 {feature} --model MODEL").out.replace("\n", " ")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("attention looks --head 9.0 --query 2 --key 1", "no head 9.0"),
        ("attention looks --head 1 --query 2 --key 1", "'1' is no head"),
        ("attention looks --head 1.0 --query 1 --key 2", "lies behind"),
        ("attention looks --head 1.0 --query 99 --key 2", "no position 99"),
        ("heads looks token@0 token@1", "no incoming edges"),
        ("heads looks token@99 token@1", "no node 'token@99'"),
        ("heads looks constant token@1", "no incoming edges"),
    ],
)
def test_wrong_words(hooke: Hooke, looks: str, words: str, error: str):
    done = hooke(f"graph {words} --model MODEL")
    assert (done.code, error in done.err) == (2, True), done.err


def test_a_graph_of_another_tool_is_refused(hooke: Hooke, looks: str, tiny: TinyLab, tmp_path: Path):
    data = json.loads(tiny.lab.path("graphs", f"{looks}.json").read_text())
    del data["hooke"]
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps(data))
    for words in (f"attention {foreign} --head 0.0 --query 1 --key 0", f"heads {foreign} token@0 token@1"):
        done = hooke(f"graph {words} --model MODEL")
        assert (done.code, "made by another tool" in done.err) == (2, True), done.err
