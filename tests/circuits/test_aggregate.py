"""Sets of graphs: what returns, what differs, and how often luck makes a difference."""

from dataclasses import replace

import numpy as np
import pytest

from hooke.circuits.aggregate import aggregate, difference
from hooke.circuits.graph import Graph, Node
from hooke.errors import BadRequest
from tests.circuits.hand_made import ERROR, FEATURE, LOGIT, OTHER, TOKEN, graph_of


def through(feature: float, other: float) -> Graph:
    """A graph whose target comes from two features in these parts, each from the one token."""
    edges = {(TOKEN, FEATURE): 1.0, (TOKEN, OTHER): 1.0, (FEATURE, LOGIT): feature, (OTHER, LOGIT): other}
    return graph_of(FEATURE, OTHER, LOGIT, TOKEN, ERROR, edges=edges)


def test_frequency_mean_and_spread_over_prompts():
    graphs = [through(1, 0), through(3, 1), through(1, 1), through(1, 3)]
    found = {one.key: one for one in aggregate(graphs)}
    assert found[("0/7",)].frequency == 1
    assert found[("1/7",)].frequency == 0.75
    assert found[("0/7",)].mean == pytest.approx((1 + 0.75 + 0.5 + 0.25) / 4)
    low, high = found[("0/7",)].interval
    assert 0.25 <= low < found[("0/7",)].mean < high <= 1
    assert found[("token 'The'",)].mean == pytest.approx(1)
    edges = {one.key: one for one in aggregate(graphs, edges=True)}
    assert edges[("1/7", "logit ' Paris'")].mean == pytest.approx((0.25 + 0.5 + 0.75) / 4)


def test_positions_are_summed_or_counted_from_the_end():
    moved = replace(FEATURE, position=1)
    edges = {(TOKEN, FEATURE): 1.0, (TOKEN, moved): 1.0, (FEATURE, LOGIT): 1.0, (moved, LOGIT): 3.0}
    graph = graph_of(FEATURE, moved, LOGIT, TOKEN, edges=edges)
    assert {one.key: one.mean for one in aggregate([graph])}[("0/7",)] == pytest.approx(1)
    placed = {one.key: one.mean for one in aggregate([graph], place="end")}
    assert placed[("0/7@-2",)] == pytest.approx(0.25)
    assert placed[("0/7@-1",)] == pytest.approx(0.75)


def test_positions_are_told_by_their_part_and_features_by_their_role():
    rest = Node(kind="rest", layer=0, position=1)
    moved = replace(FEATURE, position=1, index=8)
    edges = {(TOKEN, FEATURE): 1.0, (TOKEN, moved): 1.0, (FEATURE, LOGIT): 1.0, (moved, LOGIT): 2.0, (rest, LOGIT): 1.0}
    graph = graph_of(FEATURE, moved, LOGIT, TOKEN, rest, edges=edges)
    parts = [("before", "last token")]
    placed = {one.key: one.mean for one in aggregate([graph], place="part", parts=parts)}
    assert placed == pytest.approx({("0/7@before",): 1 / 3, ("0/8@last token",): 2 / 3, ("token 'The'@before",): 1.0})
    # What was not taken up is of a role, though of no feature.
    roles = {one.key: one.mean for one in aggregate([graph], place="role", parts=parts)}
    assert roles == pytest.approx({("layer 0@before",): 0.25, ("layer 0@last token",): 0.75, ("token@before",): 1.0})
    edges_between = {one.key for one in aggregate([graph], edges=True, place="role", parts=parts)}
    assert ("token@before", "layer 0@last token") in edges_between
    with pytest.raises(BadRequest, match="has a part"):
        aggregate([graph], place="role")
    with pytest.raises(BadRequest, match="has a part"):
        aggregate([graph, graph], place="part", parts=parts)


def test_a_planted_difference_is_found_and_noise_is_not():
    generator = np.random.default_rng(0)

    def some(share: float) -> list[Graph]:
        parts = np.clip(share + 0.05 * generator.normal(size=8), 0.01, 0.99)
        return [through(part, 1 - part) for part in parts.tolist()]

    planted = difference(some(0.7), some(0.3))[0]
    assert planted.key in {("0/7",), ("1/7",)}
    assert planted.chance < 0.01
    assert planted.interval[0] * planted.interval[1] > 0
    assert all(one.chance > 0.05 for one in difference(some(0.5), some(0.5)))
    strongest = difference(some(0.8), some(0.2), edges=True)[0]
    assert {strongest.key} <= {("0/7", "logit ' Paris'"), ("1/7", "logit ' Paris'")} | {
        ("token 'The'", "0/7"), ("token 'The'", "1/7"),
    }  # fmt: skip


def test_sets_that_cannot_be_compared_are_refused():
    with pytest.raises(BadRequest, match="no graphs"):
        aggregate([])
    with pytest.raises(BadRequest, match="different models"):
        aggregate([through(1, 1), replace(through(1, 1), dictionary="another")])
    with pytest.raises(BadRequest, match="luck"):
        difference([through(1, 1)], [through(1, 1), through(1, 2)])
