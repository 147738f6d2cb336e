"""Interventions on the model: an edit by hand gives the same, rows do not mix, and what does not fit is refused."""

import pytest
import torch

from hooke.circuits.graph import Node
from hooke.circuits.intervene import first_target, next_logits, scaled, target_values
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
        [(), scaled(some, 1.0), scaled(some, 0.0), [(some[0], 0.0)]],
    ).tolist()
    assert same == pytest.approx(base, abs=1e-5)
    assert len({round(value, 4) for value in (base, together, first)}) == 3


@pytest.mark.parametrize("sign", [1, -1])
def test_a_neuron_is_set_with_its_sign_whatever_it_was(sign: int):
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, targets=["#17 - #4"])
    node = Node(kind="feature", layer=1, position=3, index=20 if sign > 0 else 76, activation=99.0)
    found = target_values(graph, model, "neurons", [[(node, 2.5)]])
    hidden = model.run(PROMPT, capture=["neurons.1"])["neurons.1"][0, 3]
    vector = torch.zeros(56)
    vector[20] = sign * 2.5 - hidden[20]
    by_hand = model.run(PROMPT, edits=[Add(site="neurons.1", vector=vector, positions=(3,))]).logits
    assert by_hand is not None
    assert float(found[0]) == pytest.approx(float(by_hand[0, -1, 17] - by_hand[0, -1, 4]), abs=1e-4)


def test_a_transcoders_feature_is_set_by_what_it_lacks():
    model, cross = tiny_model(), random_crosslayer()
    graph = trace(model, cross, PROMPT, targets=["#17 - #4"])
    node = next(graph.nodes[at] for at in graph.numbers("feature") if graph.nodes[at].layer == 1)
    assert node.position is not None
    assert node.index is not None
    assert node.activation is not None
    edits = [
        Add(
            site=f"mlp_out.{layer}",
            vector=(3.0 - node.activation) * cross.decoder_rows(1, torch.tensor([node.index]), layer)[0],
            positions=(node.position,),
        )
        for layer in cross.targets(1)
    ]
    by_hand = model.run(PROMPT, edits=edits).logits
    assert by_hand is not None
    found = target_values(graph, model, cross, [[(node, 3.0)]])
    assert float(found[0]) == pytest.approx(float(by_hand[0, -1, 17] - by_hand[0, -1, 4]), abs=1e-4)


def test_logits_are_the_models_and_the_target_is_read_off_them():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    tried = [(), *([(graph.nodes[at], 0.0)] for at in graph.numbers("feature")[:4])]
    logits = next_logits(graph, model, "neurons", tried, batch=2)
    own = model.run(PROMPT).logits
    assert own is not None
    assert torch.allclose(logits[0], own[0, -1], atol=1e-4)
    values = target_values(graph, model, "neurons", tried)
    assert torch.allclose(first_target(graph, logits), values, atol=1e-5)
    assert float(values[0]) == pytest.approx(graph.nodes[graph.targets[0]].value, abs=1e-4)


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
