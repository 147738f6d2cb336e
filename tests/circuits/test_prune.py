"""Pruning: what stays, what goes with it, and an account and scores that stay honest."""

from dataclasses import replace

import numpy as np
import pytest

from hooke.circuits.graph import Graph, Node
from hooke.circuits.prune import prune, subgraph
from hooke.circuits.scores import score
from hooke.errors import BadRequest
from tests.circuits.hand_made import CONSTANT, ERROR, FEATURE, LOGIT, OTHER, TOKEN, graph_of, random_graph


def test_a_feature_whose_only_output_was_a_weak_edge_goes_with_it():
    lonely = Node(kind="feature", layer=0, position=1, index=2, activation=1.0)
    edges = {
        (TOKEN, FEATURE): 1.0,
        (TOKEN, lonely): 1.0,
        (FEATURE, OTHER): 1.0,
        (lonely, OTHER): 0.001,
        (OTHER, LOGIT): 1.0,
        (CONSTANT, LOGIT): 0.5,
    }
    graph = graph_of(FEATURE, lonely, OTHER, LOGIT, TOKEN, CONSTANT, edges=edges)
    pruned = prune(graph, nodes=1.0, edges=0.99)
    assert [node.id for node in pruned.nodes] == [node.id for node in (FEATURE, OTHER, LOGIT, TOKEN, CONSTANT)]
    assert pruned.hidden.tolist() == pytest.approx([0, 0.001, 0])


def test_tokens_and_targets_stay_whatever_they_have():
    idle = Node(kind="token", position=1, index=9, name="idle")
    graph = graph_of(FEATURE, LOGIT, TOKEN, idle, edges={(TOKEN, FEATURE): 1.0, (FEATURE, LOGIT): 1.0})
    assert [node.id for node in prune(graph, nodes=0.1, edges=0.1).nodes if node.kind != "feature"] == [
        "logit/5", "token@0", "token@1",
    ]  # fmt: skip


def test_the_order_of_nodes_does_not_matter():
    graph = random_graph(5)
    order = np.random.default_rng(0).permutation(graph.n_rows)
    every = [*order.tolist(), *range(graph.n_rows, len(graph.nodes))]
    mixed = replace(
        graph,
        nodes=tuple(graph.nodes[at] for at in every),
        weights=graph.weights[np.ix_(order, every)],
        hidden=graph.hidden[order],
    )
    one, other = prune(graph, nodes=0.7, edges=0.8), prune(mixed, nodes=0.7, edges=0.8)
    assert {node.id for node in one.nodes} == {node.id for node in other.nodes}
    assert one.n_edges == other.n_edges < graph.n_edges


def test_the_account_still_closes():
    graph = random_graph(1)
    sums = graph.weights.sum(1)
    closed = replace(
        graph,
        nodes=tuple(
            replace(node, value=float(sums[at])) if at < graph.n_rows else node for at, node in enumerate(graph.nodes)
        ),
    )
    pruned = prune(closed, nodes=0.6, edges=0.7)
    assert pruned.residual_errors().max() < 1e-5
    assert pruned.measures["node_threshold"] == 0.6


def test_cutting_does_not_raise_the_corrected_scores():
    edges = {
        (TOKEN, FEATURE): 1.0,
        (ERROR, OTHER): 3.0,
        (FEATURE, LOGIT): 1.0,
        (OTHER, LOGIT): 0.9,
        (TOKEN, OTHER): 0.5,
    }
    graph = graph_of(FEATURE, OTHER, LOGIT, ERROR, TOKEN, edges=edges)
    whole, cut = score(graph), subgraph(graph, [FEATURE.id]).measures
    assert cut["replacement"] == pytest.approx(1)
    assert cut["replacement_corrected"] == pytest.approx(1 / 1.9)
    assert cut["completeness_corrected"] <= whole.completeness_corrected
    assert whole.replacement_corrected < 1


def test_marks_of_nodes_that_are_gone_go_too():
    graph = replace(random_graph(2), pinned=("0/0@0", "3/1@1"), supernodes=(("both", ("0/0@0", "3/1@1")),))
    small = subgraph(graph, ["3/1@1"])
    assert small.pinned == ("3/1@1",)
    assert small.supernodes == (("both", ("3/1@1",)),)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(share: float):
    with pytest.raises(BadRequest, match="no share"):
        prune(random_graph(0), nodes=share)


def test_a_graph_without_influence_keeps_what_it_must():
    empty: Graph = graph_of(FEATURE, LOGIT, TOKEN, edges={})
    assert [node.kind for node in prune(empty).nodes] == ["logit", "token"]
