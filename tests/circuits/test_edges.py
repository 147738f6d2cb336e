"""Names and places of edges, which of them exist, and what lies on a path."""

import pytest
import torch

from hooke.circuits.edges import EdgeGraph, require_same
from hooke.errors import BadRequest, UnknownName

GRAPH = EdgeGraph(2, 2)


def test_every_sender_is_read_by_all_that_come_behind_it():
    assert GRAPH.senders == ("input", "a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1")
    assert GRAPH.receivers[:7] == (*(f"a0.h{head}<{read}>" for read in "qkv" for head in (0, 1)), "m0")
    assert GRAPH.receivers[-1] == "logits"
    # 6 reads of layer 0 see the input, its MLP also 2 heads; 6 of layer 1 see 4, its MLP 6; the logits 7.
    assert GRAPH.n_edges == 6 * 1 + 3 + 6 * 4 + 6 + 7
    assert EdgeGraph(2, 2, is_parallel=True).n_edges == GRAPH.n_edges - 2 * 2


def test_gpt2_has_as_many_edges_as_the_field_counts():
    assert EdgeGraph(12, 12).n_edges == 32491


def test_names_and_places_are_each_other_s_inverse():
    for receiver, sender in GRAPH.exists.nonzero().tolist():
        assert GRAPH.places(GRAPH.name(receiver, sender)) == (receiver, sender)


@pytest.mark.parametrize(
    ("edge", "says"),
    [
        ("a0.h0", "written like"),
        ("a0.h9->m0", "No sender 'a0.h9'"),
        ("a0.h0->a1.h0", "No receiver 'a1.h0'"),
        ("m1->m0", "does not come before"),
        ("a1.h0->a1.h1<q>", "does not come before"),
    ],
)
def test_what_is_no_edge_is_refused(edge: str, says: str):
    with pytest.raises(UnknownName, match=says):
        GRAPH.places(edge)


def test_edges_on_no_path_are_taken_out():
    path = ["input->m0", "m0->a1.h0<v>", "a1.h0->logits"]
    stray = ["a0.h1->m1", "input->a0.h0<q>", "m1->logits"]
    kept = GRAPH.connected(GRAPH.mask([*path, *stray]))
    assert set(GRAPH.names(kept)) == set(path)
    assert GRAPH.nodes(kept) == ["input", "m0", "a1.h0"]
    assert not GRAPH.connected(GRAPH.mask(stray)).any()
    assert torch.equal(GRAPH.connected(GRAPH.exists), GRAPH.exists)


def test_a_circuit_of_another_model_is_refused():
    with pytest.raises(BadRequest, match="2 layers of 3 heads, the model 2 of 2"):
        require_same(GRAPH, EdgeGraph(2, 3))
