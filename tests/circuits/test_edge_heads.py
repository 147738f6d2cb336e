"""Last steps of an edge sum to it in every architecture and basis, and are what cutting a head takes away."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.circuits.edge_heads import edge_heads, split_edge
from hooke.circuits.forward import forward
from hooke.circuits.frozen import attend, freeze
from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.readers import readers_of
from hooke.circuits.reopened import reopen
from hooke.circuits.targets import Probe, probe_target
from hooke.circuits.trace import trace
from hooke.errors import BadRequest
from hooke.models.model import Model
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.circuits.test_trace import DENSE
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
SETTINGS = TraceSettings(max_nodes=40, candidates=200)
TOKENS = ("token@2", "token@6")
FORMS = {
    "skip": lambda: random_set("mlp_in", skip=True),
    "stream": lambda: random_set("resid_mid", skip=True),
    "cross": random_crosslayer,
}


def some_edges(graph: Graph, n: int) -> list[tuple[int, int]]:
    """(row, column) of edges from every kind of source, strong and weak."""
    sources = np.array(graph.numbers("feature", "rest", "error", "token"))
    found = []
    for row in (graph.targets[0], *np.random.default_rng(0).choice(graph.n_rows, 3, replace=False).tolist()):
        order = sources[np.argsort(-np.abs(graph.weights[row, sources]))]
        found += [(row, int(column)) for column in order[:: max(1, len(order) // n)]]
    return found


def check(graph: Graph, model, dictionary) -> None:
    opened = reopen(graph, model, dictionary)
    for row, column in some_edges(graph, 8):
        found = split_edge(opened, graph.nodes[column].id, graph.nodes[row].id)
        scale = max(abs(found.edge), 1e-3 * sum(abs(step.weight) for step in found.steps), 1e-5)
        assert abs(found.total - found.edge) <= 1e-4 * scale, (found.source, found.target)
        assert found.edge == graph.weights[row, column]


@pytest.mark.parametrize("architecture", DENSE)
def test_steps_sum_to_edges_of_neurons(architecture: str):
    model = tiny_model(architecture)
    check(trace(model, "neurons", PROMPT, settings=SETTINGS), model, "neurons")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt_oss"])
def test_steps_sum_to_edges_of_transcoders(architecture: str, form: str):
    model, made = tiny_model(architecture), FORMS[form]()
    check(trace(model, made, PROMPT, settings=SETTINGS), model, made)


def test_steps_sum_to_edges_of_a_parallel_block_with_a_linear_path():
    model, made = tiny_model("gpt_neox"), random_set("mlp_in", skip=True)
    check(trace(model, made, PROMPT, settings=SETTINGS), model, made)


def test_cutting_a_head_of_the_last_layer_takes_its_step_away():
    model = tiny_model("gpt2")
    graph = trace(model, "neurons", PROMPT, targets=["#17 - #4"], settings=SETTINGS)
    opened = reopen(graph, model, "neurons")
    frozen, writes = opened.frozen, [opened.writes(graph.nodes[graph.number("token@2")])]
    reader = next(readers_of(opened, graph.targets))
    found = edge_heads(graph, model, "neurons", "token@2", graph.nodes[graph.targets[0]].id)
    steps = [step for step in found.steps if step.layer == 2]
    assert len(steps) == 4
    block = frozen.blocks[2]
    whole = float(reader.read(dict(forward(frozen, writes, {}))[6])[0, 0])
    assert whole == pytest.approx(found.edge, rel=1e-4)
    for step in steps:
        pattern = block.pattern.clone()
        pattern[step.head] = 0
        cut = replace(block, pattern=pattern)
        cut = replace(cut, attention_constant=attend(cut, torch.zeros_like(frozen.embed)))
        less = dict(forward(replace(frozen, blocks=(*frozen.blocks[:2], cut)), writes, {}))[6]
        assert whole - float(reader.read(less)[0, 0]) == pytest.approx(step.weight, rel=1e-3, abs=1e-5)


def test_only_the_targets_own_position_goes_direct():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    target = graph.nodes[graph.targets[0]].id
    kinds = {at: {step.kind for step in edge_heads(graph, model, "neurons", at, target).steps} for at in TOKENS}
    assert kinds == {"token@2": {"head"}, "token@6": {"head", "direct"}}


def test_a_linear_path_is_a_step_of_its_own():
    model, made = tiny_model(), random_set("mlp_in", skip=True)
    graph = trace(model, made, PROMPT, settings=SETTINGS)
    found = edge_heads(graph, model, made, "token@6", graph.nodes[graph.targets[0]].id)
    assert {step.name for step in found.steps} >= {"direct", "linear.0", "linear.1", "linear.2", "0.0", "2.3"}


def test_a_node_above_gives_nothing():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    low, high = (graph.nodes[at].id for at in (0, graph.numbers("feature")[-1]))
    assert edge_heads(graph, model, "neurons", high, low).steps == ()


def test_what_has_no_steps_is_refused():
    model = tiny_model()
    frozen = freeze(model, PROMPT)
    goal = probe_target(frozen, Probe("north", "resid_post.2", torch.ones(32)))
    graph = trace(model, "neurons", PROMPT, targets=["#17", goal], settings=SETTINGS)
    for source, target, words in (
        ("token@1", "token@2", "no incoming edges"),
        ("constant", "logit/17", "a constant"),
        ("logit/17", "logit/17", "a logit"),
        ("token@1", "logit/north:6", "a direction"),
        ("token@9", "logit/17", "no node"),
    ):
        with pytest.raises(BadRequest, match=words):
            edge_heads(graph, model, "neurons", source, target)
    rest = graph.nodes[graph.numbers("rest")[0]].id
    small = graph.without(graph.numbers("feature")[-1:])
    with pytest.raises(BadRequest, match="was cut"):
        edge_heads(small, model, "neurons", rest, "logit/17")


@pytest.mark.slow
def test_steps_sum_to_edges_of_the_real_model(real_model: Model):
    graph = trace(real_model, "neurons", "The capital of France is", settings=TraceSettings(max_nodes=100))
    check(graph, real_model, "neurons")
