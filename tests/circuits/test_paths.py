"""Paths against every path enumerated, on random small graphs."""

import itertools

import numpy as np
import pytest

from hooke.circuits.graph import Graph
from hooke.circuits.paths import described, top_paths
from hooke.circuits.scores import influence, shares
from hooke.errors import BadRequest
from tests.circuits.hand_made import FEATURE, LOGIT, OTHER, TOKEN, graph_of, random_graph


def every_path(graph: Graph, source: int | None, target: int) -> dict[tuple[int, ...], float]:
    parts, found = shares(graph), {}

    def walk(nodes: tuple[int, ...], strength: float) -> None:
        last = nodes[-1]
        if last == source or (source is None and last >= graph.n_rows):
            found[nodes[::-1]] = strength
        elif last < graph.n_rows:
            for child in parts[last].nonzero()[0].tolist():
                walk((*nodes, child), strength * parts[last, child])

    walk((target,), 1.0)
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("source", [None, 1, 13])
def test_the_strongest_of_all_paths_are_found(seed: int, source: int | None):
    graph = random_graph(seed)
    target = graph.targets[0]
    every = every_path(graph, source, target)
    found = top_paths(graph, source, target, n=7)
    best = sorted(every.values(), reverse=True)[:7]
    assert [path.strength for path in found] == pytest.approx(best)
    assert all(every[path.nodes] == pytest.approx(path.strength) for path in found)
    assert found[0].share == pytest.approx(best[0] / sum(every.values()))
    for path in found:
        signs = [np.sign(graph.weights[upper, lower]) for lower, upper in itertools.pairwise(path.nodes)]
        assert path.sign == np.prod(signs)


@pytest.mark.parametrize("seed", range(4))
def test_passing_and_avoiding(seed: int):
    graph = random_graph(seed)
    target, must, never = graph.targets[0], [4, 10], [8]
    every = {
        nodes: strength
        for nodes, strength in every_path(graph, None, target).items()
        if set(must) <= set(nodes) and not set(never) & set(nodes)
    }
    found = top_paths(graph, None, target, n=5, through=must, avoiding=never)
    assert [path.strength for path in found] == pytest.approx(sorted(every.values(), reverse=True)[:5])
    assert len(found) == min(5, len(every))
    assert all(path.share == pytest.approx(path.strength / sum(every.values())) for path in found)


def test_all_paths_of_a_node_are_its_influence():
    graph = random_graph(3)
    found = top_paths(graph, 2, graph.targets[0], n=10_000)
    assert sum(path.strength for path in found) == pytest.approx(influence(graph)[2])
    assert sum(path.share for path in found) == pytest.approx(1)


def test_no_way_is_no_path_and_impossible_wishes_are_refused():
    graph = graph_of(FEATURE, OTHER, LOGIT, TOKEN, edges={(TOKEN, FEATURE): 1.0, (OTHER, LOGIT): 2.0})
    assert top_paths(graph, 3, 2) == []
    assert top_paths(graph, None, 2, through=[0, 1]) == []
    with pytest.raises(BadRequest, match="no inputs"):
        top_paths(graph, None, 3)
    with pytest.raises(BadRequest, match="avoided"):
        top_paths(graph, 0, 2, avoiding=[0])
    with pytest.raises(BadRequest, match="No paths"):
        top_paths(graph, 0, 2, n=0)


def test_a_path_in_words():
    graph = graph_of(FEATURE, LOGIT, TOKEN, edges={(TOKEN, FEATURE): 1.0, (FEATURE, LOGIT): -2.0})
    (path,) = top_paths(graph, 2, 1)
    assert described(graph, path) == "'The' (0) → 0/7 at 'The' (0) → ' Paris'"
    assert path.sign == -1
