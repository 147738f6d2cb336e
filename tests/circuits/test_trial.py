"""Trials: what is exchanged is what the other prompt has, controls are counted, and what cannot be tried is refused."""

from dataclasses import replace

import pytest
import torch

from hooke.circuits.graph import Graph, Node, TraceSettings
from hooke.circuits.intervene import feature_values, next_logits, scaled, target_values
from hooke.circuits.trace import trace
from hooke.circuits.trial import trial
from hooke.circuits.validate import matched_neurons
from hooke.errors import BadRequest
from hooke.models.edits import Add
from hooke.models.model import Model
from tests.circuits.random_transcoders import random_crosslayer
from tests.models.tiny import tiny_model

HERE, THERE = torch.arange(7)[None] * 5 + 3, torch.arange(7)[None] * 7 + 2
TARGETS = ["#17 - #4"]
WHOLE = TraceSettings(max_nodes=2000)
SMALL = TraceSettings(max_nodes=60)


def features(graph: Graph) -> list[Node]:
    return [graph.nodes[at] for at in graph.numbers("feature")]


def ids_of(graph: Graph) -> list[str]:
    return [node.id for node in graph.nodes]


def traced(model: Model, prompt: torch.Tensor, settings: TraceSettings = SMALL) -> Graph:
    return trace(model, "neurons", prompt, targets=TARGETS, settings=settings)


def difference(logits: torch.Tensor | None) -> float:
    assert logits is not None
    return float((logits[..., 17] - logits[..., 4]).detach())


def test_an_ablated_group_is_measured_foretold_and_controlled():
    model = tiny_model()
    graph = traced(model, HERE)
    some = features(graph)[:5]
    found = trial(graph, model, "neurons", some, n_controls=24)
    base, ablated = target_values(graph, model, "neurons", [(), scaled(some, 0.0)]).tolist()
    assert (found.base, found.measured) == pytest.approx((base, ablated - base), abs=1e-5)
    assert found.predicted == pytest.approx(-sum(node.effect or 0.0 for node in some))
    assert found.n_controls == 24
    assert found.control is not None
    assert found.control > 0
    assert found.control_interval is not None
    assert max(map(abs, found.control_interval)) >= found.control / 2
    assert found.is_outside == (not found.control_interval[0] <= found.measured <= found.control_interval[1])
    assert found == trial(graph, model, "neurons", some, n_controls=24)
    assert found.control != trial(graph, model, "neurons", some, n_controls=24, seed=1).control


def test_a_factor_of_one_changes_nothing_and_next_tokens_are_the_models():
    model = tiny_model()
    graph = traced(model, HERE)
    found = trial(graph, model, "neurons", features(graph)[:5], factor=1.0)
    assert (found.measured, found.predicted, found.control) == pytest.approx((0, 0, 0), abs=1e-5)
    assert [token for token, _ in found.after] == [token for token, _ in found.before]
    logits = model.run(HERE).logits
    assert logits is not None
    values, tokens = logits[0, -1].softmax(-1).topk(5)
    assert [token for token, _ in found.before] == [f"#{token}" for token in tokens.tolist()]
    assert [probability for _, probability in found.before] == pytest.approx(values.tolist(), abs=1e-5)


def test_probabilities_of_next_tokens_are_those_behind_a_soft_cap():
    model = tiny_model("gemma2", final_logit_softcapping=0.5)
    graph = traced(model, HERE)
    logits = model.run(HERE).logits
    assert logits is not None
    assert float(logits.abs().max()) <= 0.5
    found = trial(graph, model, "neurons", features(graph)[:2])
    values = logits[0, -1].softmax(-1).topk(5).values
    assert [probability for _, probability in found.before] == pytest.approx(values.tolist(), abs=1e-6)


def test_a_whole_layers_neurons_exchanged_are_the_other_prompts_mlp():
    model = tiny_model()
    here, there = traced(model, HERE), traced(model, THERE, WHOLE)
    of_last = [node for node in features(there) if (node.layer, node.position) == (2, 6)]
    assert len(of_last) == 56
    found = trial(here, model, "neurons", [], inserted=(there, of_last))
    own = model.run(HERE, capture=["resid_mid.2"])["resid_mid.2"][0, -1]
    put_in = model.run(THERE, capture=["mlp_out.2"])["mlp_out.2"][0, -1]
    assert found.base + found.measured == pytest.approx(difference(model.unembed(own + put_in)), abs=1e-4)
    assert found.predicted is None
    assert found.n_controls == 0  # the other graph has taken every neuron there
    assert (found.control, found.control_interval, found.is_outside) == (None, None, None)


def test_a_node_that_is_inserted_is_not_turned_down_as_well():
    model = tiny_model()
    here, there = traced(model, HERE), traced(model, THERE)
    one = features(there)[0]
    both = trial(here, model, "neurons", [replace(one, effect=1.0)], inserted=(there, [one]))
    alone = trial(here, model, "neurons", [], inserted=(there, [one]))
    assert both == alone
    assert alone.n_controls == 20


def test_a_transcoders_feature_is_inserted_where_it_is_not_active():
    model, cross = tiny_model(), random_crosslayer()
    here, there = (trace(model, cross, prompt, targets=TARGETS) for prompt in (HERE, THERE))
    candidates = [node for node in features(there) if node.id not in {own.id for own in here.nodes}]
    before = feature_values(here, model, cross, [()], candidates)[0]
    node = candidates[int(before.argmin())]
    assert float(before.min()) < 0
    assert node.position is not None
    assert node.activation is not None
    edits = [
        Add(
            site=f"mlp_out.{layer}",
            vector=node.activation * cross.decoder_rows(node.layer or 0, torch.tensor([node.index]), layer)[0],
            positions=(node.position,),
        )
        for layer in cross.targets(node.layer or 0)
    ]
    found = trial(here, model, cross, [], inserted=(there, [node]))
    by_hand = model.run(HERE, edits=edits).logits
    assert by_hand is not None
    assert found.base + found.measured == pytest.approx(difference(by_hand[0, -1]), abs=1e-4)
    assert found.n_controls == 0


def test_an_inserted_feature_of_the_graph_starts_from_its_activation_here():
    model, cross = tiny_model(), random_crosslayer()
    here = trace(model, cross, HERE, targets=TARGETS)
    node = features(here)[0]
    assert node.activation is not None
    found = trial(here, model, cross, [], inserted=(here, [replace(node, activation=2 * node.activation)]))
    doubled = trial(here, model, cross, [node], factor=2.0)
    assert found.measured == pytest.approx(doubled.measured, abs=1e-5)


def test_a_feature_that_is_active_here_but_not_in_the_graph_is_not_guessed():
    model, cross = tiny_model(), random_crosslayer()
    whole = trace(model, cross, HERE, targets=TARGETS)
    node = features(whole)[0]
    without = whole.without([whole.number(node.id)])
    with pytest.raises(BadRequest, match="more nodes"):
        trial(without, model, cross, [], inserted=(whole, [node]))


def test_controls_of_one_draw_are_different_neurons(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    graph = traced(model, HERE)
    place = next((node.layer, node.position) for node in features(graph))
    # Of one activation, so that all have the same candidates.
    some = [replace(node, activation=0.1) for node in features(graph) if (node.layer, node.position) == place]
    tried = []

    def watched(*arguments):
        tried.extend(arguments[3])
        return next_logits(*arguments)

    monkeypatch.setattr("hooke.circuits.trial.next_logits", watched)
    trial(graph, model, "neurons", some)
    controls = [[node.id for node, _ in one] for one in tried[2:]]
    assert len(controls) == 20
    assert all(len(set(ids)) == len(some) for ids in controls)
    taken = {node.id for node in graph.nodes}
    assert not any(taken & set(ids) for ids in controls)
    assert len({tuple(ids) for ids in controls}) > 1


def test_controls_of_a_swap_come_from_the_other_prompt(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    here, there = traced(model, HERE), traced(model, THERE)
    turned, put_in = features(here)[:3], [node for node in features(there) if node.id not in set(ids_of(here))][:2]
    tried = []

    def watched(*arguments):
        tried.extend(arguments[3])
        return next_logits(*arguments)

    monkeypatch.setattr("hooke.circuits.trial.next_logits", watched)
    trial(here, model, "neurons", turned, factor=0.5, inserted=(there, put_in))
    assert [value for _, value in tried[1]] == pytest.approx(
        [*(0.5 * (node.activation or 0.0) for node in turned), *(node.activation for node in put_in)]
    )
    hidden = model.run(THERE, capture=["neurons.*"])
    for control in tried[2:]:
        assert len(control) == 5
        for wanted, (node, value) in zip(put_in, control[3:], strict=True):
            assert (node.layer, node.position) == (wanted.layer, wanted.position)
            assert node.id not in ids_of(there)
            signed = float(hidden[f"neurons.{node.layer}"][0, node.position, node.index % 56])
            assert (value if node.index < 56 else -value) == pytest.approx(signed, abs=1e-5)


def test_matched_neurons_are_the_likest_first():
    model = tiny_model()
    graph = traced(model, HERE)
    node = features(graph)[0]
    (near,) = matched_neurons(graph, model, [node], at_most=7)
    distances = [abs((one.activation or 0.0) - (node.activation or 0.0)) for one in near]
    assert len(near) == 7
    assert distances == sorted(distances)


def test_what_cannot_be_tried_is_refused():
    model = tiny_model()
    graph = traced(model, HERE)
    some = features(graph)[:2]
    with pytest.raises(BadRequest, match="7 tokens.*has 6"):
        trial(graph, model, "neurons", some, inserted=(traced(model, HERE[:, :6]), some))
    with pytest.raises(BadRequest, match="'another'"):
        trial(graph, model, "neurons", some, inserted=(replace(graph, model="another"), some))
    token = graph.nodes[graph.numbers("token")[0]]
    with pytest.raises(BadRequest, match="no feature"):
        trial(graph, model, "neurons", [token])
    with pytest.raises(BadRequest, match="no feature"):
        trial(graph, model, "neurons", some, inserted=(graph, [token]))
    with pytest.raises(BadRequest, match="Nothing would be changed"):
        trial(graph, model, "neurons", [])
    with pytest.raises(BadRequest, match="19 draws"):
        trial(graph, model, "neurons", some, n_controls=19)
