"""`hooke discover`."""

import json
from pathlib import Path

import numpy as np
import pytest

from hooke.circuits.circuit_file import Circuit, save_circuit
from hooke.circuits.edges import EdgeGraph
from hooke.specimens import build
from hooke.text.pairs import pairs_to_jsonl
from tests.cli.conftest import Hooke


@pytest.fixture
def pairs(tmp_path: Path, hooke: Hooke) -> Path:
    """Pairs of the two-hop specimen, which is kept in the lab."""
    assert hooke("specimen build two-hop").code == 0
    file = tmp_path / "pairs.jsonl"
    file.write_text(pairs_to_jsonl(build("two-hop").pairs))
    return file


def test_planted_edges_are_found_and_give_back_the_answer_where_random_ones_do_not(
    hooke: Hooke, pairs: Path, tmp_path: Path
):
    n = len(build("two-hop").circuit)
    file = tmp_path / "circuit.json"
    data = hooke(f"discover specimen-two-hop --pairs {pairs} --edges {n} --top {n} --out {file} --json").data
    assert {one["edge"] for one in data["strongest"]} == build("two-hop").circuit
    assert data["area"]["value"] < 0.2 < data["control_area"]["value"]
    assert data["stability"]["value"] > data["stability"]["control"]
    kept = {name for name, edge in json.loads(file.read_text())["edges"].items() if edge["in_graph"]}
    assert kept == build("two-hop").circuit

    finding = hooke(f"discover specimen-two-hop --pairs {pairs} --circuit {file} --json").data["finding"]
    assert finding["value"] == pytest.approx(1, abs=0.01)
    assert finding["control"] < 0.5
    assert finding["n"] == 24


def test_what_is_shown_says_what_was_scored_and_what_was_tried(hooke: Hooke, pairs: Path):
    out = " ".join(hooke(f"discover specimen-two-hop --pairs {pairs} --method eap --order score --top 3").out.split())
    assert "scored on 12 pairs and tried on 12 others" in out
    assert "On 100.0 % of these" in out
    assert "CPR" in out
    assert "random edges" in out


def test_methods_that_score_the_set_as_a_whole_have_no_resamples(hooke: Hooke, pairs: Path):
    data = hooke(f"discover specimen-two-hop --pairs {pairs} --method acdc --limit 6 --json").data
    assert data["stability"] is None
    assert (data["n_scored"], data["n_tried"]) == (3, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--method eapp", "Did you mean 'eap'"),
        ("--limit 2", "2 pairs cannot be halved"),
        ("--limit 0", "--limit 0 leaves nothing"),
        ("--edges 0", "--edges 0 leaves nothing"),
        ("--order loudness", "cannot be taken by 'loudness'"),
        ("--circuit nowhere.json", "cannot be read"),
        ("--circuit a.json --out b.json", "measures a circuit and writes none"),
    ],
)
def test_what_cannot_be_done_is_said(hooke: Hooke, pairs: Path, given: str, said: str):
    done = hooke(f"discover specimen-two-hop --pairs {pairs} {given}")
    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_a_circuit_of_another_model_is_refused(hooke: Hooke, pairs: Path, tmp_path: Path):
    graph, file = EdgeGraph(3, 4), tmp_path / "circuit.json"
    save_circuit(Circuit(graph, 16, np.ones(graph.exists.shape, dtype=np.float32), graph.exists), file)
    done = hooke(f"discover specimen-two-hop --pairs {pairs} --circuit {file}")
    assert done.code == 2
    assert "of another model" in " ".join(done.err.split())
