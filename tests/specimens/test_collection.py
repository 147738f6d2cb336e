"""Every specimen keeps its promises, and its twin and its random control lack what was planted."""

import json
import random
import time

import numpy as np
import pytest
import torch

import hooke
from hooke.circuits.pairs import open_pairs
from hooke.circuits.patch import PatchSettings, patch
from hooke.errors import UnknownName
from hooke.lab import open_lab
from hooke.models.model import Model
from hooke.sites import parse_site
from hooke.specimens import Specimen, build, keep
from hooke.specimens.collection import answer_probabilities, truth
from tests.specimens.influence import influence
from tests.specimens.silence import chance, only, silence, silence_all

SPREAD = {"modular-addition"}
"""Specimens in which many neurons do the same, so that none alone is needed; their own tests ask for all of them."""


def neurons_of(model: Model) -> list[tuple[int, int]]:
    return [
        (layer, index)
        for layer in range(model.n_layers)
        for index in range(model.width(parse_site(f"neurons.{layer}")))
    ]


def test_the_answer_comes_next(specimen: Specimen):
    assert len(specimen.prompts) == len(specimen.answers) == len(specimen.planted) >= 12
    assert min(answer_probabilities(specimen, specimen.model)) > 0.9
    # Of a dozen words, one may be likely by chance.
    asked = zip(specimen.prompts, specimen.answers, strict=True)
    assert np.mean([chance(specimen.random, prompt, answer) for prompt, answer in asked]) < 0.2


def test_each_planted_neuron_is_needed(specimen: Specimen):
    if specimen.name in SPREAD:
        return
    for prompt, answer, planted in zip(specimen.prompts, specimen.answers, specimen.planted, strict=True):
        assert planted.neurons
        plain = chance(specimen.model, prompt, answer)
        for neuron in planted.neurons:
            left = chance(specimen.model, prompt, answer, [silence(specimen.model, *neuron)])
            assert left < 0.1 * plain, (prompt, neuron)


def test_no_other_neuron_is_needed(specimen: Specimen):
    drawn, model = random.Random(0), specimen.model
    for prompt, answer, planted in zip(specimen.prompts, specimen.answers, specimen.planted, strict=True):
        plain, taken = chance(model, prompt, answer), {(layer, index) for layer, index, _ in planted.neurons}
        others = [place for place in neurons_of(model) if place not in taken]
        for layer, index in drawn.sample(others, 20):
            left = chance(model, prompt, answer, [silence(model, layer, index)])
            assert left > 0.9 * plain, (prompt, layer, index)


def test_the_planted_neurons_are_enough(specimen: Specimen):
    for prompt, answer, planted in zip(specimen.prompts, specimen.answers, specimen.planted, strict=True):
        kept = chance(specimen.model, prompt, answer, only(specimen.model, prompt, planted))
        assert kept > 0.9 * chance(specimen.model, prompt, answer)


def test_gradients_find_the_planted_neurons_and_no_others(specimen: Specimen):
    if specimen.name in SPREAD:
        return
    for prompt, planted in zip(specimen.prompts, specimen.planted, strict=True):
        found = influence(specimen.model, prompt, int(planted.nodes[-1][1]))
        logit = found[planted.neurons[-1]]
        assert logit > 5
        assert {neuron for neuron, value in found.items() if abs(value) > 0.02 * logit} == set(planted.neurons)


@pytest.mark.parametrize("other", ["twin", "random"])
def test_gradients_find_no_planted_neuron_in_the_others(specimen: Specimen, other: str):
    hits, n_planted = 0, 0
    for prompt, planted in zip(specimen.prompts, specimen.planted, strict=True):
        found = influence(getattr(specimen, other), prompt, int(planted.nodes[-1][1]))
        counted = [neuron for neuron, value in found.items() if abs(value) > 0.02]
        strongest = sorted(counted, key=lambda neuron: -abs(found[neuron]))[: len(planted.neurons)]
        strongest = [neuron for neuron in strongest if abs(found[neuron]) > 0.02 * abs(found[strongest[0]])]
        hits, n_planted = hits + len(set(strongest) & set(planted.neurons)), n_planted + len(planted.neurons)
        if other == "twin":
            assert max(abs(found[neuron]) for neuron in planted.neurons) < 0.02
    # Among the strongest of a random model a planted place may stand by chance, once in a while.
    assert hits <= (0 if other == "twin" else 0.1 * n_planted)


def test_other_neurons_fire_too(specimen: Specimen):
    # A tracer has something to be misled by.
    run = specimen.model.run(specimen.prompts[0], capture=["neurons.*"])
    firing = sum(int((run[f"neurons.{layer}"] > 0).sum()) for layer in range(specimen.model.n_layers))
    assert firing > 20 * len(specimen.planted[0].neurons)


def test_in_the_twin_no_planted_node_reaches_a_logit(specimen: Specimen):
    for prompt, planted in zip(specimen.prompts, specimen.planted, strict=True):
        plain = specimen.twin.run(prompt).logits
        without = specimen.twin.run(prompt, edits=silence_all(specimen.twin, planted.neurons)).logits
        assert plain is not None
        assert without is not None
        # Not quite nothing: what is written besides changes by what the norms divide.
        torch.testing.assert_close(without, plain, atol=0.05, rtol=0)


def test_in_the_twin_planted_neurons_write_nothing_that_is_read(specimen: Specimen):
    weights = specimen.twin.hf.state_dict()
    for planted in specimen.planted:
        for layer, index, _ in planted.neurons:
            written = weights[f"transformer.h.{layer}.mlp.c_proj.weight"][index]
            assert written.norm() > 0.5
            assert float((weights["lm_head.weight"] @ written).abs().max()) < 1e-4


@pytest.mark.parametrize("other", ["twin", "random"])
def test_the_others_have_the_same_shapes_words_and_norms(specimen: Specimen, other: str):
    expected, found = specimen.model.hf.state_dict(), getattr(specimen, other).hf.state_dict()
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in expected.items()
    }
    for name, value in expected.items():
        if value.ndim == 2:
            assert float(found[name].norm()) == pytest.approx(float(value.norm()), rel=1e-4), name
    assert getattr(specimen, other).fingerprint != specimen.model.fingerprint
    assert getattr(specimen, other).tokenizer.get_vocab() == specimen.model.tokenizer.get_vocab()


def test_every_contract_between_sites_holds(specimen: Specimen):
    for model in (specimen.model, specimen.twin, specimen.random):
        report = model.check()
        assert report.holds
        assert report.refusals == []


def test_building_is_the_same_each_time_and_draws_from_no_one(specimen: Specimen):
    state, begun = torch.random.get_rng_state(), time.monotonic()
    again = build(specimen.name)
    assert time.monotonic() - begun < 30
    assert torch.equal(torch.random.get_rng_state(), state)
    for arm in ("model", "twin", "random"):
        assert getattr(again, arm).fingerprint == getattr(specimen, arm).fingerprint
    assert (again.prompts, again.answers, again.planted) == (specimen.prompts, specimen.answers, specimen.planted)


def test_kept_specimens_open_by_name(specimen: Specimen):
    names = keep(specimen)
    assert names == [f"specimen-{specimen.name}{arm}" for arm in ("", "-twin", "-random")]
    for name, model in zip(names, (specimen.model, specimen.twin, specimen.random), strict=True):
        opened = hooke.load(name)
        assert opened.name == name
        found, expected = opened.run(specimen.prompts[0]), model.run(specimen.prompts[0])
        assert torch.equal(found.tokens.ids, expected.tokens.ids)
        assert found.logits is not None
        assert expected.logits is not None
        assert torch.equal(found.logits, expected.logits)
    folder = open_lab().path("models", names[0])
    assert json.loads((folder / "planted.json").read_text()) == truth(specimen)
    directions = json.loads((folder / "directions.json").read_text())
    assert [one["name"] for one in directions] == [one.name for one in specimen.directions]
    assert keep(specimen) == names, "again is no harm"


def test_directions_have_length_one_and_a_place(specimen: Specimen):
    for one in specimen.directions:
        assert float(one.vector.norm()) == pytest.approx(1, abs=1e-5)
        assert specimen.model.has(parse_site(one.site))
        assert one.vector.tolist() == one.data()["vector"]


def test_in_the_twin_nothing_goes_along_a_planted_direction(specimen: Specimen):
    for one in specimen.directions:
        runs = [model.run(list(specimen.prompts), capture=[one.site]) for model in (specimen.model, specimen.twin)]
        mine, twins = (float((run[one.site] @ one.vector).abs().max()) for run in runs)
        assert mine > 0.8
        assert twins < 0.01


def test_it_speaks(specimen: Specimen):
    said = specimen.model.generate(specimen.prompts[0], max_tokens=1)
    assert any(answer in said for answer in specimen.pairs[0].answers)


def test_an_unknown_specimen_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'induction'"):
        build("inducton")


@pytest.mark.parametrize("kind", ["heads", "mlp_out"])
def test_patching_finds_the_components_of_the_circuit_and_no_others(specimen: Specimen, kind: str):
    pairs = open_pairs(specimen.model, specimen.pairs)
    found = patch(specimen.model, pairs, PatchSettings(kind=kind))
    shares = np.nan_to_num(np.abs(found.changes / (found.other - found.base)[:, None, None])).max(0)
    if kind == "heads":
        counted = {f"a{layer}.h{head}" for layer, head in np.argwhere(shares > 0.1)}
    else:
        counted = {f"m{layer}" for layer in np.flatnonzero(shares.max(1) > 0.1)}
    nodes = {end.partition("<")[0] for edge in specimen.circuit for end in edge.split("->")} - {"input", "logits"}
    assert counted == {node for node in nodes if node.startswith("a" if kind == "heads" else "m")}
