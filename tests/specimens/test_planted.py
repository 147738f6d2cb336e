"""The truth about a prompt."""

from dataclasses import FrozenInstanceError

import pytest

from hooke.specimens import Specimen
from hooke.specimens.planted import chain, stages


def test_a_chain_leads_from_each_node_to_the_next():
    planted = chain((("token", 2), "a"), ((0, 5, 2), "b"), (("logit", 7), "c"))
    assert planted.edges == ((("token", 2), (0, 5, 2)), ((0, 5, 2), ("logit", 7)))
    assert planted.neurons == ((0, 5, 2),)
    assert planted.data() == {
        "nodes": [
            {"node": ["token", 2], "label": "a"},
            {"node": [0, 5, 2], "label": "b"},
            {"node": ["logit", 7], "label": "c"},
        ],
        "edges": [[0, 1], [1, 2]],
    }
    with pytest.raises(FrozenInstanceError):
        planted.nodes = ()  # pyright: ignore


def test_in_stages_every_node_leads_to_every_node_of_the_next():
    planted = stages({("token", 2): "a"}, {(0, 5, 2): "b", (0, 6, 2): "c"}, {("logit", 7): "d"})
    assert planted.nodes == (("token", 2), (0, 5, 2), (0, 6, 2), ("logit", 7))
    assert set(planted.edges) == {
        (("token", 2), (0, 5, 2)),
        (("token", 2), (0, 6, 2)),
        ((0, 5, 2), ("logit", 7)),
        ((0, 6, 2), ("logit", 7)),
    }
    assert planted.labels[0, 6, 2] == "c"


def test_the_truth_is_whole(specimen: Specimen):
    for prompt, answer, planted in zip(specimen.prompts, specimen.answers, specimen.planted, strict=True):
        tokens = specimen.model.tokenize(prompt).ids[0].tolist()
        words = specimen.model.tokenizer.convert_ids_to_tokens(tokens)
        assert len(set(planted.nodes)) == len(planted.nodes) == len(planted.labels)
        assert {node for edge in planted.edges for node in edge} == set(planted.nodes)
        for node in planted.nodes:
            if node[0] == "token":
                assert planted.labels[node] == f"'{words[node[1]]}'"
        assert planted.nodes[-1] == ("logit", specimen.model.tokenizer.convert_tokens_to_ids(answer))
        assert planted.neurons[-1][2] == len(tokens) - 1
        place = {node: at for at, node in enumerate(planted.nodes)}
        assert all(place[source] < place[target] for source, target in planted.edges)


def test_planted_neurons_fire_where_they_were_planted(specimen: Specimen):
    for prompt, planted in zip(specimen.prompts, specimen.planted, strict=True):
        run = specimen.model.run(prompt, capture=["neurons.*"])
        for layer, index, position in planted.neurons:
            assert float(run[f"neurons.{layer}"][0, position, index]) > 0.3
