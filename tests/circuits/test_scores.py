"""Scores on graphs of four nodes, whose values are known by hand."""

import pytest

from hooke.circuits.scores import influence, score, shares
from tests.circuits.hand_made import CONSTANT, ERROR, FEATURE, LOGIT, OTHER, TOKEN, graph_of

CASES = [
    # A logit fed by errors alone: the field's completeness counts the error itself as explained.
    ({(ERROR, LOGIT): 2.0}, 0.0, 0.5, 0.0),
    ({(FEATURE, LOGIT): 2.0, (ERROR, FEATURE): 1.0}, 0.0, 2 / 3, 0.5),
    ({(FEATURE, LOGIT): -2.0, (ERROR, FEATURE): 0.3, (TOKEN, FEATURE): 0.7}, 0.7, 0.9, 0.85),
]


@pytest.mark.parametrize(("edges", "replacement", "completeness", "corrected"), CASES)
def test_scores_of_known_graphs(edges: dict, replacement: float, completeness: float, corrected: float):
    found = score(graph_of(FEATURE, LOGIT, ERROR, TOKEN, edges=edges))
    assert found.replacement == pytest.approx(replacement)
    assert found.completeness == pytest.approx(completeness)
    assert found.completeness_corrected == pytest.approx(corrected)


def test_everything_on_a_chain_has_the_targets_weight():
    chain = graph_of(
        FEATURE, OTHER, LOGIT, TOKEN, edges={(TOKEN, FEATURE): 1.0, (FEATURE, OTHER): 3.0, (OTHER, LOGIT): -0.5}
    )
    assert influence(chain).tolist() == [1.0, 1.0, 0.0, 1.0]
    assert score(chain).path_length == pytest.approx(3)


def test_constants_are_left_out_of_shares():
    graph = graph_of(FEATURE, LOGIT, TOKEN, CONSTANT, edges={(FEATURE, LOGIT): 1.0, (CONSTANT, LOGIT): 99.0})
    assert shares(graph)[1].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_the_null_is_what_is_left_without_features():
    graph = graph_of(
        FEATURE, LOGIT, ERROR, TOKEN, edges={(FEATURE, LOGIT): 3.0, (TOKEN, LOGIT): 1.0, (TOKEN, FEATURE): 1.0}
    )
    found = score(graph)
    assert found.replacement == pytest.approx(1)
    assert found.replacement_corrected_null == pytest.approx(0.25)
    assert found.completeness_corrected_null == pytest.approx(0.25)
