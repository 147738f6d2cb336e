"""What graphs of all prompts of a study say, on a specimen whose circuit is known, and on tables made by hand."""

import numpy as np
import pytest
import torch

from hooke.circuits.graph import TraceSettings
from hooke.circuits.pairs import open_pairs
from hooke.circuits.places import PARTS
from hooke.errors import HookeError
from hooke.specimens import build
from hooke.studies.evidence import by_group
from hooke.studies.graph_sets import GraphSet
from hooke.studies.graphs import GraphEvidence, _conditions, graph_evidence, same_order
from hooke.text.pairs import PromptPair
from tests.circuits.hand_made import LOGIT, TOKEN, graph_of

LAST, CHANGED = PARTS.index("last token"), PARTS.index("last changed")


@pytest.fixture(scope="module")
def found() -> GraphEvidence:
    specimen = build("two-hop")
    city, asked = by_group(open_pairs(specimen.model, specimen.pairs), "city")
    return graph_evidence(
        specimen.model, city.some(range(0, 12, 2)), city.some(range(1, 12, 2)), 1,
        unrelated=asked.some(range(4)), others={"of all cities": city.some(range(5))},
        settings=TraceSettings(max_nodes=12, candidates=48),
    )  # fmt: skip


def test_every_prompt_has_a_graph_and_every_finding_a_control(found: GraphEvidence):
    assert (found.n_graphs, found.refused) == (24, ())
    for one in found.findings:
        assert np.isfinite([one.value, *one.interval]).all()
        assert one.control is not None
        assert one.control_name
        assert one.method
    claims = [one.claim for one in found.findings]
    assert len(set(claims)) == len(claims)


def test_graphs_explain_all_of_a_specimen_and_agree_with_patching(found: GraphEvidence):
    said = {one.claim: one for one in found.findings}
    assert said["Completeness of the graphs"].value > 0.95
    assert said["Graphs and patching put the MLPs, by layer and part, in the same order"].value > 0.9
    shared = next(one for one in found.findings if one.claim.startswith("Influence of neurons before"))
    assert shared.value == pytest.approx(0, abs=0.01)
    assert found.influence[0, CHANGED] + found.influence[1, LAST] == pytest.approx(1, abs=0.01)
    assert np.isnan(found.influence[:, PARTS.index("between")]).all()
    assert found.only_graphs() == found.only_patching() == []


def test_its_circuit_is_needed_on_other_prompts_in_as_far_as_their_countries_were_seen(found: GraphEvidence):
    lost = [one for one in found.findings if one.claim.endswith("as on the corrupted prompt")]
    assert ["of all cities" in one.claim for one in lost] == [False, False, True]
    for one in lost:
        assert one.control is not None
        assert one.value > one.control + 0.2


def test_roles_are_told_with_their_frequency_and_interval(found: GraphEvidence):
    roles = {one.key[0]: one for one in found.roles}
    assert roles["layer 0@last changed"].frequency == 1
    assert roles["layer 1@last token"].interval[0] <= roles["layer 1@last token"].mean
    assert found.role_edges[0].mean > 0
    assert all("@" in one.key[0] for one in found.features if not one.key[0].startswith("logit"))


def table(*cells: tuple[int, int, float]) -> np.ndarray:
    values = np.full((4, 3, len(PARTS)), np.nan)
    values[:, :, [0, CHANGED, LAST]] = 0.0
    for layer, part, value in cells:
        values[:, layer, part] = value
    return values


def test_the_order_of_roles_is_compared_where_patching_can_see():
    cells = [(0, CHANGED, 0.5), (1, CHANGED, 0.3), (2, CHANGED, 0.01), (0, LAST, 0.02), (1, LAST, 0.1), (2, LAST, 0.4)]
    graphs = table(*cells)
    same = same_order(graphs, table(*((layer, part, -value) for layer, part, value in cells)))
    assert same.value == pytest.approx(1)
    assert same.control == pytest.approx(0, abs=0.2)
    # Before the change patching has only zeros, whatever graphs say.
    assert same_order(table(*cells, (1, 0, 9.0)), graphs).value == pytest.approx(1)
    other = same_order(graphs, table(*((layer, part, 1 - value) for layer, part, value in cells)))
    assert other.value == pytest.approx(-1)


def test_mirrored_pairs_are_compared_once():
    texts = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "d")]
    pairs = [PromptPair(clean=one, corrupted=other, answers=("x",), wrong=("y",)) for one, other in texts]
    graph = graph_of(LOGIT, TOKEN, edges={(TOKEN, LOGIT): 1.0})
    numbered = GraphSet(graphs=(graph,) * 4, parts=(("before", "last token"),) * 4, rows=(0, 1, 2, 3))
    clean, corrupted = _conditions(numbered, numbered, pairs)
    assert clean.rows == corrupted.rows == (0, 2, 3)


def test_a_model_that_is_not_finite_is_refused():
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs).some(range(4))
    with torch.no_grad():
        next(iter(specimen.model.hf.parameters())).fill_(torch.nan)
    with pytest.raises(HookeError):
        graph_evidence(specimen.model, pairs, pairs, 1, unrelated=pairs)
