"""Scores of edges: exact where the model is linear, right where it is not, and told apart from what they estimate."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch

from hooke.circuits.components import open_components
from hooke.circuits.edge_scores import EdgeScores, eap, eap_ig_activations, eap_ig_inputs, exact, runs_of, slopes_of
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.errors import BadRequest, HookeError
from hooke.models.model import Model, Tokens
from hooke.specimens import Specimen, build
from tests.models.tiny import tiny_model


def open_specimen(name: str) -> tuple[Specimen, Pairs]:
    """A specimen and its pairs."""
    specimen = build(name)
    return specimen, open_pairs(specimen.model, specimen.pairs)


def found_first(scores: EdgeScores, circuit: frozenset[str]) -> float:
    """Share of the planted edges among as many of the strongest."""
    truth, sizes = scores.graph.mask(circuit).numpy(), np.abs(scores.mean)
    top = np.argsort(-sizes, axis=None, kind="stable")[: truth.sum()]
    return float(truth.reshape(-1)[top].mean())


@pytest.mark.parametrize(
    ("name", "score"),
    [
        *product(("two-hop", "induction", "gated-refusal"), (eap_ig_inputs, eap_ig_activations)),
        *product(("two-hop", "induction"), (exact,)),  # one run per edge: half a minute on the largest
    ],
)
def test_the_planted_edges_are_the_strongest(name: str, score: Callable[[Model, Pairs], EdgeScores]):
    specimen, pairs = open_specimen(name)
    assert found_first(score(specimen.model, pairs), specimen.circuit) == 1
    assert found_first(score(specimen.random, pairs), specimen.circuit) < 0.5


def test_slopes_at_the_clean_run_alone_miss_what_attention_does():
    specimen, pairs = open_specimen("induction")
    assert found_first(eap(specimen.model, pairs), specimen.circuit) < 1


def test_edges_into_the_logits_share_out_the_effect():
    specimen, pairs = open_specimen("two-hop")
    scores = eap_ig_inputs(specimen.model, pairs)
    runs = runs_of(open_components(specimen.model), pairs)
    metrics = [pairs.judge(pairs.last(specimen.model.unembed(run.final))) for run in (runs.clean, runs.corrupted)]
    difference = (metrics[0] - metrics[1]).detach().numpy()
    # The final norm divides by almost the same on both prompts.
    np.testing.assert_allclose(scores.by_pair[:, -1].sum(-1), difference, rtol=0.02)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_slopes_are_those_that_small_steps_measure(architecture: str):
    """Against differences of runs in which one receiver's own input is moved a little."""
    from hooke.circuits.components import run_weighted

    model = tiny_model(architecture)
    model.tokenizer = None
    pairs = tiny_pairs()
    components = open_components(model)
    runs = runs_of(components, pairs)
    slopes = slopes_of(components, runs, runs.clean.written[0], 0)
    graph = components.graph
    away = runs.clean.written - runs.corrupted.written
    for edge in ("input->a0.h1<v>", "m0->a1.h2<k>", "a0.h3->a1.h1<q>", "a1.h0->m2", "m1->logits"):
        receiver, sender = graph.places(edge)
        expected = float((slopes[receiver] * away[sender]).sum().detach())
        values = []
        for sign in (1, -1):
            weights = graph.exists.double()
            weights[receiver, sender] += sign * 1e-2
            with torch.no_grad():
                final = run_weighted(components, runs.clean_batch, runs.corrupted, weights.float())
                values.append(float(pairs.judge(pairs.last(model.unembed(final))).sum()))
        assert (values[0] - values[1]) / 2e-2 == pytest.approx(expected, rel=0.05, abs=2e-4), edge


def tiny_pairs() -> Pairs:
    """Two pairs of token ids of unequal length."""
    clean = torch.arange(14).reshape(2, 7) * 3 + 4
    corrupted = clean.clone()
    corrupted[:, 2] += 1
    mask = torch.ones_like(clean, dtype=torch.bool)
    mask[1, -2:] = False
    return Pairs(
        pairs=build("two-hop").pairs[:2],
        clean=Tokens(clean, mask),
        corrupted=Tokens(corrupted, mask),
        answers=((5,), (7,)),
        wrong=((9,), (2, 3)),
    )


def test_where_the_metric_is_flat_slopes_say_nothing_and_integrated_ones_do():
    """A saturated probability: the specimen's answer is all but certain on the clean prompt."""
    specimen = build("two-hop")
    pairs = open_pairs(specimen.model, specimen.pairs, metric="probability")
    plain, integrated = eap(specimen.model, pairs), eap_ig_inputs(specimen.model, pairs, steps=30)
    assert np.abs(plain.mean[-1]).sum() < 0.2 * np.abs(integrated.mean[-1]).sum()


def test_what_cannot_be_scored_is_refused():
    specimen, pairs = open_specimen("two-hop")
    with pytest.raises(BadRequest, match="averaged over 0 runs"):
        eap_ig_inputs(specimen.model, pairs, steps=0)
    big = tiny_model("llama", num_hidden_layers=30)
    with pytest.raises(BadRequest, match="at most 5000 are tried"):
        exact(big, pairs)
    broken = build("two-hop").model
    with torch.no_grad():
        broken.hf.transformer.wte.weight[pairs.corrupted.ids[0, 0]] = float("nan")  # pyright: ignore
    with pytest.raises(HookeError, match="of pair 1 gives numbers that are not finite"):
        eap(broken, pairs)


def test_edges_that_are_not_there_are_never_among_the_strongest():
    graph = EdgeGraph(2, 2)
    values = np.zeros((2, *graph.exists.shape), dtype=np.float32)
    values[:, *graph.places("m0->logits")] = [1.0, 3.0]
    scores = EdgeScores(graph, "given", values)
    best = scores.strongest(graph.n_edges + 1)
    assert best[0] == ("m0->logits", 2.0)
    assert len({name for name, _ in best}) == len(best) == graph.n_edges
    assert all(graph.places(name) for name, _ in best)


def test_an_edge_has_an_interval_where_there_is_more_than_one_pair():
    graph = EdgeGraph(1, 1)
    values = np.zeros((3, *graph.exists.shape), dtype=np.float32)
    values[:, *graph.places("input->m0")] = [1.0, 2.0, 3.0]
    interval = EdgeScores(graph, "given", values).interval("input->m0")
    assert interval is not None
    assert 1 <= interval[0] < 2 < interval[1] <= 3
    assert EdgeScores(graph, "given", values[:1]).interval("input->m0") is None
