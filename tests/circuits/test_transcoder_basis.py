"""Transcoders of every form: the account closes, also of experts; what does not fit is refused."""

import pytest
import torch

from hooke.circuits.graph import TraceSettings
from hooke.circuits.trace import trace
from hooke.errors import BadRequest, ShapeMismatch
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
FORMS = {
    "plain": lambda: random_set("mlp_in", skip=False),
    "skip": lambda: random_set("mlp_in", skip=True),
    "stream": lambda: random_set("resid_mid", skip=True),
    "cross": random_crosslayer,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "qwen3_moe"])
def test_the_account_closes(architecture: str, form: str):
    graph = trace(tiny_model(architecture), FORMS[form](), PROMPT)
    # Features of the last layer at other positions than the last reach no target.
    assert graph.measures["active"] > graph.measures["expanded"] > 20
    assert graph.measures["conservation_error"] <= 1e-4
    assert {"error", "token", "logit", "feature"} <= {node.kind for node in graph.nodes}


def test_a_parallel_block_is_traced_where_its_mlp_reads():
    graph = trace(tiny_model("gpt_neox"), random_set("mlp_in", skip=True), PROMPT)
    assert graph.measures["conservation_error"] <= 1e-4


def test_fewer_rows_are_the_same_rows():
    whole = trace(tiny_model(), random_crosslayer(), PROMPT)
    part = trace(tiny_model(), random_crosslayer(), PROMPT, settings=TraceSettings(max_nodes=10))
    assert part.measures["expanded"] == 10
    shared = [node.id for node in part.nodes if node.kind in ("feature", "token", "error")]
    for target in ("feature", "logit"):
        for node in (node for node in part.nodes if node.kind == target):
            for source in shared:
                one = part.weights[part.number(node.id), part.number(source)]
                assert one == pytest.approx(whole.weights[whole.number(node.id), whole.number(source)], abs=1e-5)


def test_frozen_effects_are_all_paths_of_the_graph():
    graph = trace(tiny_model(), random_set("mlp_in", skip=False), PROMPT)
    target = graph.targets[0]
    effect = graph.weights[target].astype(float).copy()
    for row in sorted(range(graph.n_rows - len(graph.targets)), key=lambda at: -(graph.nodes[at].layer or 0)):
        effect += effect[row] / graph.nodes[row].activation * graph.weights[row]
    for number in graph.numbers("feature"):
        assert graph.nodes[number].frozen_effect == pytest.approx(effect[number], rel=1e-3, abs=1e-4)


def test_another_models_transcoders_are_refused():
    with pytest.raises(ShapeMismatch, match="16 numbers"):
        trace(tiny_model(), random_set("mlp_in", skip=False, width=16), PROMPT)


def test_a_prompt_of_one_token_has_nothing_to_trace():
    with pytest.raises(BadRequest, match="one token"):
        trace(tiny_model(), "neurons", PROMPT[:, :1])


def test_an_unknown_basis_is_named():
    with pytest.raises(BadRequest, match="'soup'"):
        trace(tiny_model(), "soup", PROMPT)
