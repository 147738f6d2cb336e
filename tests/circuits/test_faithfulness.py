"""Faithfulness of circuits: its ends, its areas on hand-made scores, and what resampling says."""

import numpy as np
import pytest

from hooke.circuits.discover import random_scores
from hooke.circuits.edge_scores import EdgeScores, eap_ig_inputs
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.faithfulness import SHARES, curve, measure, stability, strongest
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.errors import BadRequest, HookeError
from hooke.specimens import Specimen, build


@pytest.fixture(scope="module")
def two_hop() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def pairs(two_hop: Specimen) -> Pairs:
    return open_pairs(two_hop.model, two_hop.pairs)


@pytest.fixture(scope="module")
def scores(two_hop: Specimen, pairs: Pairs) -> EdgeScores:
    return eap_ig_inputs(two_hop.model, pairs)


def test_the_planted_circuit_is_whole_and_half_of_it_is_not(two_hop: Specimen, pairs: Pairs, scores: EdgeScores):
    graph = scores.graph
    planted = graph.mask(two_hop.circuit)
    half = graph.mask(edge for edge in two_hop.circuit if edge != "m1->logits")
    metrics = measure(two_hop.model, pairs, [planted, half, graph.exists, planted & False])
    found = [metrics.faithfulness(at, seed=0) for at in range(4)]
    assert found[0].value == pytest.approx(1, abs=0.01)
    assert [one.value for one in found[1:]] == pytest.approx([0, 1, 0], abs=1e-3)
    assert found[0].interval[0] <= found[0].value <= found[0].interval[1]


def test_a_curve_rises_once_all_planted_edges_are_in(two_hop: Specimen, pairs: Pairs, scores: EdgeScores):
    n_planted = len(two_hop.circuit)
    shares = (n_planted / scores.graph.n_edges / 2, n_planted / scores.graph.n_edges, 1.0)
    found = curve(two_hop.model, pairs, scores, shares=shares)
    assert found.points[1].n_edges == n_planted
    assert found.points[1].faithfulness.value == pytest.approx(1, abs=0.01)
    assert found.points[0].faithfulness.value < 0.6


def test_random_scores_make_the_areas_of_a_circuit_that_gives_nothing(two_hop: Specimen, pairs: Pairs):
    """f = 0 at all shares but the last: .25 under f and .749 above it, the benchmark's own random row."""
    scores = random_scores(two_hop.model)
    assert curve(two_hop.model, pairs, scores, order="score").area.value == pytest.approx(0.25, abs=0.01)
    assert curve(two_hop.model, pairs, scores, order="size").area.value == pytest.approx(0.749, abs=0.01)


def test_a_circuit_that_is_whole_at_every_share_has_no_area_above_it(two_hop: Specimen, pairs: Pairs):
    graph = EdgeGraph(2, 4)
    planted = graph.mask(two_hop.circuit).numpy()
    first = EdgeScores(graph, "by hand", (planted * 2.0 + graph.exists.numpy())[None].astype(np.float32))
    # At .1 % of 110 edges there is no edge: the first points are empty, whatever the scores.
    shares = tuple(share for share in SHARES if share * graph.n_edges >= len(two_hop.circuit))
    found = curve(two_hop.model, pairs, first, shares=shares, order="size")
    assert found.area.value == pytest.approx(0, abs=0.01)
    found = curve(two_hop.model, pairs, first, shares=shares, order="score")
    assert found.area.value == pytest.approx(1 - shares[0], abs=0.01)


def test_by_score_and_by_size_are_two_orders():
    graph = EdgeGraph(1, 1)
    values = np.zeros((1, len(graph.receivers), len(graph.senders)), dtype=np.float32)
    values[0][graph.places("m0->logits")] = -3
    values[0][graph.places("a0.h0->logits")] = 1
    scores = EdgeScores(graph, "by hand", values)
    assert graph.names(strongest(scores, graph, 1, order="size")) == ["m0->logits"]
    assert graph.names(strongest(scores, graph, 1, order="score")) == ["a0.h0->logits"]
    assert int(strongest(scores, graph, 99).sum()) == graph.n_edges
    with pytest.raises(BadRequest, match="by 'luck'"):
        strongest(scores, graph, 1, order="luck")


def test_strong_edges_return_and_noise_does_not(two_hop: Specimen, scores: EdgeScores):
    found = stability(scores, len(two_hop.circuit))
    assert found.value > 0.9
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(scores.by_pair.shape, dtype=np.float32)
    assert stability(EdgeScores(scores.graph, "noise", noise), len(two_hop.circuit)).value < 0.5
    with pytest.raises(BadRequest, match="cannot be resampled"):
        stability(random_scores(two_hop.model), 5)


def test_a_model_that_answers_both_prompts_alike_has_nothing_to_share_out(two_hop: Specimen, pairs: Pairs):
    same = Pairs(pairs.pairs, pairs.clean, pairs.clean, pairs.answers, pairs.wrong)
    with pytest.raises(HookeError, match="no effect to share out"):
        measure(two_hop.model, same, [])
