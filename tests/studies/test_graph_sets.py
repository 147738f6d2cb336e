"""Graphs of every prompt of a set: what is traced, what is refused, and how alike two sets are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.errors import HookeError, UnsupportedModel
from hooke.models.model import Model, Tokens
from hooke.specimens import Specimen, build
from hooke.studies import graph_sets
from hooke.studies.graph_sets import GraphSet, TooFewGraphs, overlap, trace_set

SMALL = TraceSettings(max_nodes=8, candidates=32)


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("two-hop")


@pytest.fixture(scope="module")
def pairs(specimen: Specimen) -> Pairs:
    return open_pairs(specimen.model, specimen.pairs).some(range(6))


@pytest.fixture(scope="module")
def graphs(specimen: Specimen, pairs: Pairs) -> GraphSet:
    return trace_set(specimen.model, pairs, settings=SMALL)


def test_each_prompt_has_its_graph_of_its_own_answers(specimen: Specimen, pairs: Pairs, graphs: GraphSet):
    assert graphs.rows == tuple(range(6))
    logits = specimen.model.run(pairs.clean).logits
    assert logits is not None
    values = [graph.nodes[graph.targets[0]].value for graph in graphs.graphs]
    assert values == pytest.approx(pairs.judge(pairs.last(logits)).tolist(), abs=1e-3)
    for graph, parts in zip(graphs.graphs, graphs.parts, strict=True):
        assert len(parts) == len(graph.tokens)
        assert parts[-1] == "last token"
    corrupted = trace_set(specimen.model, pairs, clean=False, settings=SMALL)
    assert [one.prompt for one in corrupted.graphs] != [one.prompt for one in graphs.graphs]


def test_several_answers_are_explained_together(specimen: Specimen, pairs: Pairs):
    one = pairs.some([0])
    several = Pairs(one.pairs, one.clean, one.corrupted, ((*one.answers[0], 5),), one.wrong)
    graph = trace_set(specimen.model, several, settings=SMALL).graphs[0]
    logits = specimen.model.run(one.clean).logits
    assert logits is not None
    assert graph.nodes[graph.targets[0]].value == pytest.approx(float(several.judge(several.last(logits))[0]), abs=1e-3)


def test_a_prompt_that_cannot_be_traced_stops_no_other(
    specimen: Specimen, pairs: Pairs, graphs: GraphSet, monkeypatch: pytest.MonkeyPatch
):
    def second_fails(model: Model, dictionary: str, prompt: Tokens, **settings: object) -> Graph:
        if torch.equal(prompt.ids[0], pairs.clean.ids[1, : prompt.ids.shape[1]]):
            raise HookeError("It is not finite.", "", "")
        return graphs.graphs[0]

    monkeypatch.setattr(graph_sets, "trace", second_fails)
    found = trace_set(specimen.model, pairs)
    assert found.rows == (0, 2, 3, 4, 5)
    assert "not finite" in found.refused[0]


def test_prompts_that_are_not_finite_have_no_graph(pairs: Pairs):
    broken = build("two-hop").model
    trace_set(broken, pairs.some([0, 2]), settings=SMALL)  # the probe of its parts is kept
    words = dict(broken.hf.named_parameters())["transformer.wte.weight"]
    city = next(one for one in pairs.clean.ids[1].tolist() if one not in pairs.clean.ids[0].tolist())
    with torch.no_grad():
        words[city] = torch.nan
        found = trace_set(broken, pairs, settings=SMALL)
        assert 1 not in found.rows
        assert len(found.refused) + len(found) == 6
        words[pairs.clean.ids[0, 0]] = torch.nan
    with pytest.raises(TooFewGraphs, match="0 of 6"):
        trace_set(broken, pairs, settings=SMALL)


def test_a_model_that_cannot_be_traced_is_said_at_once(
    specimen: Specimen, pairs: Pairs, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> Graph:
        raise UnsupportedModel("No neurons.", "", "")

    monkeypatch.setattr(graph_sets, "trace", refuse)
    with pytest.raises(UnsupportedModel, match="No neurons"):
        trace_set(specimen.model, pairs)


def test_a_set_is_like_itself_and_unlike_one_without_its_features(specimen: Specimen, graphs: GraphSet):
    generator = np.random.default_rng(0)
    assert overlap(graphs, graphs, 10, generator=generator).value == 1
    twin = trace_set(specimen.twin, open_pairs(specimen.twin, specimen.pairs).some(range(6)), settings=SMALL)
    renamed = GraphSet(
        graphs=tuple(replace(graph, model=specimen.model.name) for graph in twin.graphs),
        parts=twin.parts,
        rows=twin.rows,
    )
    found = overlap(graphs, renamed, 10, generator=generator)
    assert found.interval[0] <= found.value < 0.5
