"""Circuits go to the field's JSON and back; a file that is no circuit is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.circuits.circuit_file import Circuit, load_circuit, save_circuit
from hooke.circuits.edges import EdgeGraph
from hooke.errors import BadRequest

GRAPH = EdgeGraph(2, 2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A circuit of three edges."""
    kept = GRAPH.mask(["input->m0", "m0->a1.h1<v>", "a1.h1->logits"])
    scores = np.random.default_rng(0).standard_normal(kept.shape, dtype=np.float32) * GRAPH.exists.numpy()
    save_circuit(Circuit(GRAPH, 16, scores, kept), tmp_path / "circuit.json")
    return tmp_path / "circuit.json"


def test_a_circuit_comes_back_as_it_was(file: Path):
    circuit = load_circuit(file)
    assert circuit.graph == GRAPH
    assert circuit.d_model == 16
    assert GRAPH.names(circuit.kept) == ["input->m0", "m0->a1.h1<v>", "a1.h1->logits"]
    scores = np.random.default_rng(0).standard_normal(circuit.scores.shape, dtype=np.float32)
    np.testing.assert_array_equal(circuit.scores, scores * GRAPH.exists.numpy())


def test_the_file_has_the_names_that_others_read(file: Path):
    data = json.loads(file.read_text())
    assert data["cfg"] == {"n_layers": 2, "n_heads": 2, "parallel_attn_mlp": False, "d_model": 16}
    assert data["nodes"]["logits"] == {"in_graph": True}
    assert data["nodes"]["a1.h1"] == {"in_graph": True}
    assert data["nodes"]["a1.h0"] == {"in_graph": False}
    assert len(data["edges"]) == GRAPH.n_edges
    assert data["edges"]["m0->a1.h1<v>"]["in_graph"] is True


def test_edges_that_are_only_in_or_out_are_read(tmp_path: Path):
    data = {"cfg": {"n_layers": 1, "n_heads": 1, "d_model": 4}, "nodes": {}, "edges": {"m0->logits": True}}
    (tmp_path / "old.json").write_text(json.dumps(data))
    circuit = load_circuit(tmp_path / "old.json")
    assert torch.equal(circuit.kept, circuit.graph.mask(["m0->logits"]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:200], "not JSON"),
        (lambda text: text.replace('"cfg"', '"config"'), "lacks or misuses"),
        (lambda text: text.replace('"n_layers": 2', '"n_layers": 1'), "of its own model"),
        (lambda text: text.replace('"n_layers": 2', '"n_layers": -2'), "sizes"),
        (lambda text: text.replace('{"score": ', '{"score": NaN, "was": ', 1), "not finite"),
        (lambda _: "[]", "lacks or misuses"),
    ],
)
def test_what_is_no_circuit_is_refused(file: Path, change, says: str):
    file.write_text(change(file.read_text()))
    with pytest.raises(BadRequest, match=says):
        load_circuit(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(BadRequest, match="cannot be read"):
        load_circuit(tmp_path / "none.json")
