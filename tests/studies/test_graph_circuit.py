"""The circuit of a set of graphs: which features are in it, and what its groups are called."""

import pytest

from hooke.circuits.graph import TraceSettings
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.errors import HookeError
from hooke.specimens import Specimen, build
from hooke.studies.evidence import by_group
from hooke.studies.graph_circuit import Group, Member, NamedCircuit, grouped, member_ids, named_circuit, own_members
from hooke.studies.graph_sets import GraphSet, trace_set


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def pairs(specimen: Specimen) -> Pairs:
    return by_group(open_pairs(specimen.model, specimen.pairs), "city")[0]


@pytest.fixture(scope="module")
def graphs(specimen: Specimen, pairs: Pairs) -> GraphSet:
    return trace_set(specimen.model, pairs, settings=TraceSettings(max_nodes=16, candidates=64, batch=4))


@pytest.fixture(scope="module")
def circuit(graphs: GraphSet) -> NamedCircuit:
    return named_circuit(graphs, 1)


def test_its_features_are_those_that_were_planted(specimen: Specimen, pairs: Pairs, circuit: NamedCircuit):
    asked = {pair.clean for pair in pairs.pairs}
    planted = {
        (layer, index)
        for prompt, truth in zip(specimen.prompts, specimen.planted, strict=True)
        if prompt in asked
        for layer, index, _ in truth.neurons
    }
    found = {(one.layer, one.index) for one in circuit.members}
    assert found
    assert found <= planted
    assert {one.part for one in circuit.members if one.layer == 0} == {"last changed"}
    assert {one.part for one in circuit.members if one.layer == 1} == {"last token"}


def test_groups_are_named_by_layers_and_part_and_say_what_they_read(circuit: NamedCircuit):
    first, last = "layer 0 at the changed token", "layer 1 at the last token"
    assert [one.name for one in circuit.groups] == [first, last]
    links = {(one.source, one.target): one.share for one in circuit.links}
    # What is asked is fetched from the text itself, the country from the neurons of the city.
    assert circuit.reads(last) == "text before the change"
    assert links[first, last].value > 0.2
    assert links[first, last].interval[0] > 0
    assert circuit.feeds(last) == "answer"
    assert circuit.reads(first) == "text at the changed token"
    assert circuit.reads("none") == circuit.feeds("none") == ""


def test_a_graph_is_told_by_the_groups_that_it_has(graphs: GraphSet, circuit: NamedCircuit):
    for graph, parts in zip(graphs.graphs, graphs.parts, strict=True):
        names = dict(grouped(circuit.groups, graph, parts).supernodes)
        assert {"answer", "text at the last token", "text before the change"} <= set(names)
        ids = member_ids(circuit.groups, graph, parts)
        assert set(ids) <= {node.id for node in graph.nodes if node.kind == "feature"}
        assert len(ids) <= len(circuit.members)


def test_a_prompts_own_are_the_strongest_of_its_graph(specimen: Specimen, pairs: Pairs, graphs: GraphSet):
    truths = dict(zip(specimen.prompts, specimen.planted, strict=True))
    for pair, graph, parts in zip(pairs.pairs, graphs.graphs, graphs.parts, strict=True):
        own = own_members(graph, parts)
        planted = {(layer, index) for layer, index, _ in truths[pair.clean].neurons}
        assert {(one.layer, one.index) for one in own[: len(planted)]} == planted
        assert len({(one.layer, one.index, one.part) for one in own}) == len(own)
    assert own_members(graphs.graphs[0], ["before"] * len(graphs.graphs[0].tokens)) == []


def test_what_stands_before_the_change_is_no_part_of_it(graphs: GraphSet):
    before = GraphSet(
        graphs=graphs.graphs, parts=tuple(("before",) * len(one) for one in graphs.parts), rows=graphs.rows
    )
    with pytest.raises(HookeError, match="no circuit in common"):
        named_circuit(before, 1)


def test_layers_are_parted_where_the_answer_is_handed_over(graphs: GraphSet):
    # Handed over in layer 3, layers 0 and 1 are the first and the second stretch.
    names = [one.name for one in named_circuit(graphs, 3).groups]
    assert names == ["layer 0 at the changed token", "layer 1 at the last token"]
    member = Member(layer=1, index=2, part="next", share=0.1, frequency=1.0)
    assert member_ids([Group(name="a", members=(member,))], graphs.graphs[0], graphs.parts[0]) == []
