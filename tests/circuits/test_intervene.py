"""Interventions on the model: an edit by hand gives the same, rows do not mix, and what does not fit is refused."""

import pytest
import torch

from hooke.circuits.intervene import target_values
from hooke.circuits.trace import trace
from hooke.errors import BadRequest
from hooke.models.edits import Add
from tests.circuits.random_transcoders import random_crosslayer
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


def test_an_ablated_neuron_is_the_edit_by_hand():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, targets=["#17 - #4"])
    nodes = [graph.nodes[at] for at in graph.numbers("feature")[:40:4]]
    found = target_values(graph, model, "neurons", [(), *([(node, 0.0)] for node in nodes)], batch=4)
    logits = model.run(PROMPT).logits
    assert logits is not None
    assert float(found[0]) == pytest.approx(float(logits[0, -1, 17] - logits[0, -1, 4]), abs=1e-4)
    for node, value in zip(nodes, found[1:].tolist(), strict=True):
        assert node.index is not None
        assert node.position is not None
        unit, sign = node.index % 56, 1.0 if node.index < 56 else -1.0
        vector = torch.zeros(56)
        vector[unit] = -sign * (node.activation or 0.0)
        edit = Add(site=f"neurons.{node.layer}", vector=vector, positions=(node.position,))
        by_hand = model.run(PROMPT, edits=[edit]).logits
        assert by_hand is not None
        assert value == pytest.approx(float(by_hand[0, -1, 17] - by_hand[0, -1, 4]), abs=1e-4)


def test_a_factor_of_one_changes_nothing_and_supernodes_act_together():
    model, cross = tiny_model(), random_crosslayer()
    graph = trace(model, cross, PROMPT)
    some = [graph.nodes[at] for at in graph.numbers("feature")[:6]]
    base, same, together, first = target_values(
        graph,
        model,
        cross,
        [(), [(node, 1.0) for node in some], [(node, 0.0) for node in some], [(some[0], 0.0)]],
    ).tolist()
    assert same == pytest.approx(base, abs=1e-5)
    assert len({round(value, 4) for value in (base, together, first)}) == 3


def test_what_does_not_belong_together_is_refused():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    with pytest.raises(BadRequest, match="'cross'"):
        target_values(graph, model, random_crosslayer(), [()])
    token = graph.nodes[graph.numbers("token")[0]]
    with pytest.raises(BadRequest, match="no feature"):
        target_values(graph, model, "neurons", [[(token, 0.0)]])


def test_a_name_is_no_set_of_transcoders():
    model = tiny_model()
    graph = trace(model, random_crosslayer(), PROMPT)
    with pytest.raises(BadRequest, match="'cross' is no basis"):
        target_values(graph, model, "cross", [()])
