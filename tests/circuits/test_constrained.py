"""The constrained test: edges are what doubling does, in every architecture and basis; a wrong edge is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hooke.circuits.constrained import LIMIT, constrained
from hooke.circuits.frozen import freeze
from hooke.circuits.graph import TraceSettings
from hooke.circuits.prune import prune
from hooke.circuits.targets import Probe, probe_target
from hooke.circuits.trace import trace
from hooke.errors import BadRequest
from hooke.models.model import Model
from tests.circuits.random_transcoders import random_crosslayer, random_set
from tests.circuits.test_trace import DENSE
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
SETTINGS = TraceSettings(max_nodes=60, candidates=200)
FORMS = {
    "plain": lambda: random_set("mlp_in", skip=False),
    "skip": lambda: random_set("mlp_in", skip=True),
    "stream": lambda: random_set("resid_mid", skip=True),
    "cross": random_crosslayer,
}


@pytest.mark.parametrize("architecture", DENSE)
def test_every_edge_of_neurons_is_what_doubling_does(architecture: str):
    model = tiny_model(architecture)
    graph = trace(model, "neurons", PROMPT, targets=["#17", "#17 - #4"], settings=SETTINGS)
    found = constrained(graph, model, "neurons", n=None)
    assert found.n_sources == len(graph.numbers("feature", "rest", "token"))
    assert found.n_edges == found.n_sources * graph.n_rows
    assert found.error <= LIMIT


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "qwen3_moe", "gpt_oss"])
def test_every_edge_of_transcoders_is_what_doubling_does(architecture: str, form: str):
    model, dictionary = tiny_model(architecture), FORMS[form]()
    # Fewer rows than active features, so that there is a rest of features beside the errors.
    graph = trace(model, dictionary, PROMPT, settings=TraceSettings(max_nodes=40))
    found = constrained(graph, model, dictionary, n=None)
    assert found.n_sources == len(graph.numbers("feature", "rest", "error", "token"))
    assert found.error <= LIMIT


def test_a_parallel_block_with_a_linear_path_is_exact():
    model, dictionary = tiny_model("gpt_neox"), random_set("mlp_in", skip=True)
    assert constrained(trace(model, dictionary, PROMPT), model, dictionary, n=None).is_exact


def test_an_edge_changed_by_hand_is_found():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    target = graph.targets[0]
    source = int(np.abs(graph.weights[target, graph.numbers("feature")]).argmax())
    weights = graph.weights.copy()
    weights[target, source] *= 1.01
    wrong = constrained(replace(graph, weights=weights), model, "neurons", n=None)
    assert not wrong.is_exact
    assert (wrong.source, wrong.target) == (graph.nodes[source].id, graph.nodes[target].id)
    assert wrong.edge == pytest.approx(1.01 * wrong.change, rel=1e-3)
    assert "NOT exact" in str(wrong)


def test_an_edge_that_was_left_out_is_found():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    weights = graph.weights.copy()
    weights[graph.targets[0], graph.numbers("token")[-1]] = 0
    wrong = constrained(replace(graph, weights=weights), model, "neurons", n=None)
    assert (wrong.is_exact, wrong.source, wrong.edge) == (False, "token@6", 0)


def test_a_sample_takes_every_kind_and_is_the_seeds():
    model, dictionary = tiny_model(), random_crosslayer()
    graph = trace(model, dictionary, PROMPT, settings=TraceSettings(max_nodes=40))
    one, same = (constrained(graph, model, dictionary, n=8, seed=2) for _ in range(2))
    assert one == same
    assert one.n_sources == 8
    assert one.n_edges == 8 * graph.n_rows


def test_of_a_cut_graph_the_edges_that_are_left_are_compared():
    model = tiny_model()
    graph = trace(model, "neurons", PROMPT, settings=SETTINGS)
    small = prune(graph, nodes=0.6, edges=0.8)
    found = constrained(small, model, "neurons", n=None)
    own = small.numbers("feature", "token")
    assert found.n_edges == np.count_nonzero(small.weights[:, own]) > 20
    assert found.is_exact


def test_a_direction_has_no_vector_in_the_graph_and_is_left_out():
    model = tiny_model()
    goal = probe_target(freeze(model, PROMPT), Probe("north", "resid_post.2", torch.ones(32)))
    graph = trace(model, "neurons", PROMPT, targets=[goal], settings=SETTINGS)
    found = constrained(graph, model, "neurons", n=5)
    assert found.n_edges == 5 * (graph.n_rows - 1)
    assert found.is_exact


def test_another_models_graph_is_refused():
    graph = trace(tiny_model(), "neurons", PROMPT, settings=SETTINGS)
    with pytest.raises(BadRequest, match="tiny-gpt2"):
        constrained(graph, tiny_model("gpt2"), "neurons")


@pytest.mark.slow
def test_edges_of_the_real_model_are_exact(real_model: Model):
    graph = trace(real_model, "neurons", "The capital of France is", settings=TraceSettings(max_nodes=200))
    found = constrained(graph, real_model, "neurons", n=40)
    assert found.n_sources == 40
    assert found.error <= LIMIT
