"""Groups of nodes: made, undone, kept in files, suggested, and the edges between them."""

from dataclasses import replace
from pathlib import Path

import pytest

from hooke.circuits.graph_file import load_graph, save_graph
from hooke.circuits.supernodes import between, group, named_nodes, suggest, ungroup
from hooke.errors import BadRequest
from tests.circuits.hand_made import FEATURE, LOGIT, OTHER, TOKEN, graph_of, random_graph

TWIN = replace(FEATURE, position=1)


def test_a_group_is_made_replaced_and_undone():
    graph = group(random_graph(0), "first", ["0/0@0", "1/0@0"])
    graph = group(graph, "second", ["1/0@0", "2/1@1"])
    assert graph.supernodes == (("first", ("0/0@0",)), ("second", ("1/0@0", "2/1@1")))
    assert group(graph, "second", ["0/0@0"]).supernodes == (("second", ("0/0@0",)),)
    assert ungroup(graph, "first").supernodes == (("second", ("1/0@0", "2/1@1")),)


def test_nodes_are_named_by_ids_and_by_groups():
    graph = group(random_graph(0), "first", ["1/0@0", "0/0@0"])
    found = named_nodes(graph, ["2/1@1", "first", "0/0@0"])
    assert [node.id for node in found] == ["2/1@1", "1/0@0", "0/0@0"]
    with pytest.raises(BadRequest, match="'frist'.*'first'"):
        named_nodes(graph, ["first", "frist"])


def test_groups_travel_in_the_file(tmp_path: Path):
    graph = group(random_graph(0), "both words", ["0/0@0", "1/0@0"])
    save_graph(graph, tmp_path / "g.json")
    assert load_graph(tmp_path / "g.json").supernodes == graph.supernodes


def test_edges_between_groups_are_shares_of_their_members_inputs():
    edges = {
        (TOKEN, FEATURE): 2.0,
        (TOKEN, TWIN): 1.0,
        (FEATURE, OTHER): 1.0,
        (TWIN, OTHER): 1.0,
        (TOKEN, OTHER): 2.0,
        (OTHER, LOGIT): 3.0,
        (FEATURE, LOGIT): 1.0,
    }
    graph = group(graph_of(FEATURE, TWIN, OTHER, LOGIT, TOKEN, edges=edges), "pair", [FEATURE.id, TWIN.id])
    graph = group(graph, "above", [OTHER.id])
    found = between(graph)
    at = {name: number for number, name in enumerate(found.names)}
    assert found.shares[at["above"], at["pair"]] == pytest.approx(0.5)
    assert found.shares[at[" Paris"], at["above"]] == pytest.approx(0.75)
    assert found.shares[at["pair"], at["The"]] == pytest.approx(1)
    assert found.influence[at["pair"]] == pytest.approx(0.25 + 0.75 * 0.5)


def test_suggestions_say_why_and_change_nothing():
    edges = {(TOKEN, FEATURE): 2.0, (TOKEN, TWIN): 1.0, (FEATURE, LOGIT): 1.0, (TWIN, LOGIT): 1.0, (OTHER, LOGIT): 0.1}
    graph = graph_of(FEATURE, TWIN, OTHER, LOGIT, TOKEN, edges=edges)
    (found,) = suggest(graph)
    assert (found.ids, found.reason) == ((FEATURE.id, TWIN.id), "the same feature")
    assert suggest(group(graph, "taken", found.ids)) == []
    named = [replace(node, name="words of place") if node.kind == "feature" else node for node in graph.nodes]
    assert any(one.reason == "the same label" for one in suggest(replace(graph, nodes=tuple(named))))


def test_nodes_with_like_inputs_and_outputs_are_suggested():
    like, unlike = replace(FEATURE, index=8), replace(FEATURE, index=9)
    far = replace(TOKEN, position=1, name="far")
    edges = {
        (TOKEN, FEATURE): 2.0, (TOKEN, like): 1.9, (far, unlike): 1.0,
        (FEATURE, LOGIT): 1.0, (like, LOGIT): 0.9, (unlike, OTHER): 1.0, (OTHER, LOGIT): 1.0,
    }  # fmt: skip
    (found,) = suggest(graph_of(FEATURE, like, unlike, OTHER, LOGIT, TOKEN, far, edges=edges))
    assert (found.ids, found.reason) == ((FEATURE.id, like.id), "like inputs and outputs")


def test_bad_groups_are_refused():
    graph = random_graph(0)
    with pytest.raises(BadRequest, match="no node"):
        group(graph, "x", ["9/9@9"])
    with pytest.raises(BadRequest, match="needs a name"):
        group(graph, " ", ["0/0@0"])
    with pytest.raises(BadRequest, match="no group 'x'"):
        ungroup(graph, "x")
