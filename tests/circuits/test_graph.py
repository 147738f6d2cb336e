"""Nodes by id, removal into the residual of a place, and the account."""

import numpy as np
import pytest

from hooke.circuits.graph import Node
from hooke.errors import BadRequest
from tests.circuits.hand_made import CONSTANT, ERROR, FEATURE, LOGIT, OTHER, TOKEN, graph_of

GRAPH = graph_of(
    FEATURE,
    OTHER,
    LOGIT,
    ERROR,
    TOKEN,
    CONSTANT,
    edges={
        (TOKEN, FEATURE): 1.0,
        (FEATURE, OTHER): 0.5,
        (ERROR, OTHER): 0.5,
        (FEATURE, LOGIT): 2.0,
        (OTHER, LOGIT): -1.5,
        (CONSTANT, LOGIT): 0.5,
    },
)


def test_ids_name_their_nodes_alone():
    ids = [node.id for node in GRAPH.nodes]
    assert len(set(ids)) == len(ids)
    assert [GRAPH.number(id) for id in ids] == list(range(len(ids)))
    with pytest.raises(BadRequest, match="0/7@0"):
        GRAPH.number("0/8@0")


def test_what_a_removed_feature_gave_goes_to_its_place():
    smaller = GRAPH.without([0])
    assert [node.kind for node in smaller.nodes] == ["feature", "logit", "error", "token", "constant"]
    np.testing.assert_allclose(smaller.weights, [[0, 0, 1.0, 0, 0], [-1.5, 0, 2.0, 0, 0.5]])
    assert smaller.residual_errors().max() < 1e-6


def test_a_place_without_a_residual_gets_one():
    smaller = GRAPH.without([1])
    assert smaller.nodes[-1] == Node(kind="rest", layer=1, position=0)
    np.testing.assert_allclose(smaller.weights[1], [2.0, 0, 0, 0, 0.5, -1.5])


def test_what_is_no_feature_goes_to_the_hidden_sum():
    smaller = GRAPH.without([GRAPH.number("constant")])
    assert smaller.hidden.tolist() == [0, 0, 0.5]
    assert smaller.residual_errors().max() < 1e-6


def test_a_target_stays():
    with pytest.raises(BadRequest, match="target"):
        GRAPH.without([2])


def test_an_open_account_is_seen():
    broken = graph_of(FEATURE, LOGIT, TOKEN, edges={(TOKEN, FEATURE): 1.0, (FEATURE, LOGIT): 0.9})
    assert broken.residual_errors().tolist() == pytest.approx([0, 0.1], abs=1e-6)
