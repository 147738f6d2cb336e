"""Readers give what nodes have: on the whole stream, a node's value less its biases."""

import pytest
import torch

from hooke.circuits.graph import TraceSettings
from hooke.circuits.readers import readers_of
from hooke.circuits.reopened import reopen
from hooke.circuits.trace import trace
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize(
    "dictionary",
    ["neurons", random_set("mlp_in", skip=True), random_crosslayer()],
    ids=["neurons", "set", "cross"],
)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_node_is_what_its_reader_reads_and_its_biases(architecture: str, dictionary):
    model = tiny_model(architecture)
    graph = trace(model, dictionary, PROMPT, targets=["#17 - #4"], settings=TraceSettings(max_nodes=30))
    opened = reopen(graph, model, dictionary)
    frozen, seen = opened.frozen, []
    for reader in readers_of(opened, range(graph.n_rows)):
        stream = frozen.final if reader.depth == 2 * frozen.n_layers else frozen.mlp_stream[reader.depth // 2]
        for row, value in zip(reader.rows, reader.read(stream[None])[0].tolist(), strict=True):
            node = graph.nodes[row]
            seen.append(row)
            if node.kind == "feature":
                number = opened.numbers[node.layer or 0, node.position or 0, node.index or 0]
                biases = float(opened.basis.inputs(torch.tensor([number])).constant[0])
                # A JumpReLU's feature that is active has its pre-activation as its activation.
                assert value + biases == pytest.approx(node.value, rel=1e-3, abs=1e-4)
            else:
                bias = frozen.final_norm.map.bias @ reader.vectors[0]
                assert value + float(bias) == pytest.approx(node.value, rel=1e-3, abs=1e-4)
    assert sorted(seen) == list(range(graph.n_rows))
