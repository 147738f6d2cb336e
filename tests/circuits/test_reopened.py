"""A graph opened again stands on the vectors that it was traced with."""

import pytest
import torch

from hooke.circuits.graph import TraceSettings
from hooke.circuits.graph_file import load_graph, save_graph
from hooke.circuits.prune import prune
from hooke.circuits.reopened import reopen
from hooke.circuits.trace import trace
from hooke.errors import BadRequest
from tests.circuits.random_transcoders import random_crosslayer
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
SETTINGS = TraceSettings(max_nodes=40, candidates=200)


@pytest.mark.parametrize("dictionary", ["neurons", random_crosslayer()], ids=["neurons", "cross"])
def test_nodes_and_constants_write_all_of_every_mlp_output(dictionary, tmp_path):
    model = tiny_model("gpt2")
    save_graph(trace(model, dictionary, PROMPT, settings=SETTINGS), tmp_path / "graph.json")
    graph = load_graph(tmp_path / "graph.json")
    opened = reopen(graph, model, dictionary)
    assert opened.is_whole
    written = opened.basis.constant.clone()
    for node in graph.nodes:
        if node.kind in ("feature", "rest", "error"):
            for layer, position, vector in opened.writes(node):
                written[layer, position] += vector
    for node in graph.nodes:
        if node.kind == "token":
            assert torch.equal(opened.writes(node)[0][2], opened.frozen.embed[node.position or 0])
    # At the last layer only the last position reaches a target, so that the graph has no node for the others.
    torch.testing.assert_close(written[:-1], opened.frozen.mlp_out[:-1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(written[-1, -1], opened.frozen.mlp_out[-1, -1], rtol=1e-4, atol=1e-4)


def test_a_cut_graph_is_not_whole():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    assert not reopen(prune(graph, nodes=0.5), model, "neurons").is_whole
    assert not reopen(graph.without(graph.numbers("feature")[:1]), model, "neurons").is_whole


def test_another_dictionary_is_refused():
    model = tiny_model()
    with pytest.raises(BadRequest, match="'cross'"):
        reopen(trace(model, "neurons", PROMPT, settings=SETTINGS), model, random_crosslayer())
