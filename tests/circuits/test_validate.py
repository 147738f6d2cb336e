"""Validation: planted mechanisms are found and proved, absent ones are not, and controls can win."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.targets import Probe
from hooke.circuits.trace import trace
from hooke.circuits.validate import beats, can_rank, matched_controls, rank_correlation, validate, with_ranks
from hooke.errors import BadRequest
from hooke.findings import Finding
from hooke.models.model import Model
from hooke.specimens import build
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
SETTINGS = TraceSettings(max_nodes=200, candidates=1000)


def traced(model: Model, prompt: str, answer: int) -> Graph:
    return trace(model, "neurons", prompt, targets=[f"#{answer}"], settings=SETTINGS)


def planted_neurons(planted) -> set[tuple[int, int, int]]:
    return {node for node in planted.nodes if isinstance(node[0], int)}


@pytest.mark.parametrize("name", ["induction", "two-hop", "password-locked"])
def test_planted_neurons_are_recovered_and_nothing_else(name: str):
    specimen = build(name)
    for prompt, planted in list(zip(specimen.prompts, specimen.planted, strict=True))[::5]:
        answer = next(node[1] for node in planted.nodes if node[0] == "logit")
        truth = planted_neurons(planted)
        graph = traced(specimen.model, prompt, answer)
        features = sorted(
            (node for node in graph.nodes if node.kind == "feature"), key=lambda one: -abs(one.effect or 0)
        )
        found = {(node.layer, node.index, node.position) for node in features[: len(truth)]}
        assert found == truth  # precision and recall 1
        other = traced(specimen.random, prompt, answer)
        strong = {
            (node.layer, node.index, node.position)
            for node in other.nodes
            if node.kind == "feature" and abs(node.effect or 0) > 0.25 * abs(graph.nodes[graph.targets[0]].value or 0)
        }
        assert not strong & truth


@pytest.mark.parametrize("name", ["induction", "two-hop", "password-locked"])
def test_the_twin_has_no_influence_at_the_planted_places(name: str):
    specimen = build(name)
    prompt, planted = specimen.prompts[0], specimen.planted[0]
    answer = next(node[1] for node in planted.nodes if node[0] == "logit")
    truth = planted_neurons(planted)
    whole = traced(specimen.model, prompt, answer).nodes
    there = {(node.layer, node.index, node.position): abs(node.effect or 0) for node in whole if node.kind == "feature"}
    twin = traced(specimen.twin, prompt, answer).nodes
    in_twin = {
        (node.layer, node.index, node.position): abs(node.effect or 0) for node in twin if node.kind == "feature"
    }
    for node in truth:
        assert in_twin.get(node, 0.0) < 0.02 * there[node]


def test_a_planted_mechanism_beats_its_controls():
    specimen = build("two-hop")
    prompt, planted = specimen.prompts[0], specimen.planted[0]
    answer = next(node[1] for node in planted.nodes if node[0] == "logit")
    graph = validate(traced(specimen.model, prompt, answer), specimen.model, "neurons", n_strongest=2, n_random=20)
    strength = next(finding for finding in graph.findings if "strongest" in finding.claim)
    assert strength.value > 1
    assert strength.control is not None
    assert strength.control < 0.1 * strength.value


def test_findings_are_the_same_for_a_seed_and_stand_in_the_measures():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    one, other = (validate(graph, model, "neurons", n_strongest=8, n_random=12, seed=3) for _ in range(2))
    assert one.findings == other.findings
    assert one.measures["rank_correlation"] == one.findings[0].value
    assert one.findings[0].n == 20
    assert one.measures["beats_controls"] == all(beats(finding) for finding in one.findings)


def test_a_graph_says_how_its_predictions_rank_when_it_is_made():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    ranked = with_ranks(graph, model, "neurons", n=30)
    whole = validate(graph, model, "neurons", n_strongest=15, n_random=15)
    (finding,) = ranked.findings
    assert (finding.claim, finding.n) == (whole.findings[0].claim, 30)
    assert finding.value == ranked.measures["rank_correlation"] == pytest.approx(whole.findings[0].value)
    # What is right of a tiny random model is foretold; that all claims hold is not said by one of them.
    assert beats(finding)
    assert "beats_controls" not in ranked.measures


def test_predictions_that_rank_nothing_say_so():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT)
    generator = np.random.default_rng(0)
    wrong = replace(graph, nodes=tuple(replace(node, effect=float(generator.normal())) for node in graph.nodes))
    assert with_ranks(wrong, model, "neurons").measures["beats_controls"] is False


def test_only_graphs_of_tokens_with_features_can_be_ranked():
    model = tiny_model()
    assert can_rank(trace(model, "neurons", PROMPT))
    assert not can_rank(trace(model, "neurons", PROMPT, settings=TraceSettings(max_nodes=2)))
    probe = Probe("north", "resid_post.1", torch.linspace(-1, 1, 32))
    assert not can_rank(trace(model, "neurons", PROMPT, targets=[probe]))


def test_controls_are_of_the_place_and_not_of_the_graph():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=TraceSettings(max_nodes=30))
    nodes = [graph.nodes[at] for at in graph.numbers("feature")[:10]]
    expanded = {(node.layer, node.position, node.index) for node in graph.nodes if node.kind == "feature"}
    for node, control in zip(nodes, matched_controls(graph, model, nodes, np.random.default_rng(0)), strict=True):
        assert (control.layer, control.position) == (node.layer, node.position)
        assert (control.layer, control.position, control.index) not in expanded


def test_a_claim_that_its_control_reaches_does_not_beat_it():
    claim = Finding(claim="x", value=0.5, interval=(0.2, 0.8), n=9, control=0.1, control_interval=(0.0, 0.3))
    assert not beats(claim)


def test_ranks_are_correlated_not_values():
    one = np.array([0.1, 5.0, 700.0, -3.0])
    assert rank_correlation(one, np.exp(one / 1000)) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)


def test_too_few_features_are_refused():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=TraceSettings(max_nodes=2))
    with pytest.raises(BadRequest, match="2 features"):
        validate(graph, model, "neurons")
