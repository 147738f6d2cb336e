"""The modular-addition specimen adds by waves, and its twin from a table."""

import pytest
import torch

from hooke.models.model import Model
from hooke.specimens import Specimen, build
from hooke.specimens.modular_addition import FREQUENCIES, MODULUS, N_PHASES, places, prompt_of
from tests.specimens.influence import influence
from tests.specimens.silence import chance, silence, silence_all

ASKED = [(a, b) for a in range(MODULUS) for b in range(MODULUS)]


@pytest.fixture(scope="module")
def addition() -> Specimen:
    return build("modular-addition")


@pytest.mark.parametrize("arm", ["model", "twin"])
def test_every_sum_is_right(addition: Specimen, arm: str):
    logits = getattr(addition, arm).run([prompt_of(*one) for one in ASKED]).logits
    assert logits is not None
    said = logits[:, -1].softmax(-1).max(-1)
    assert (said.indices - 2).tolist() == [(a + b) % MODULUS for a, b in ASKED]
    assert float(said.values.min()) > 0.9


def powers(model: Model) -> torch.Tensor:
    """Share of the numbers' embeddings, over and above their mean, at each frequency from 1 on."""
    embeddings = model.hf.transformer.wte.weight.detach()[2 : 2 + MODULUS].double()  # pyright: ignore
    power = torch.fft.rfft(embeddings, dim=0).abs().square().sum(1)[1:]
    return power / power.sum()


def test_the_embedding_has_the_planted_frequencies_and_the_twins_has_none(addition: Specimen):
    planted = torch.tensor(FREQUENCIES) - 1
    assert float(powers(addition.model)[planted].sum()) > 0.75, "the rest is the scratch that every token has"
    others = torch.ones(MODULUS // 2, dtype=torch.bool)
    others[planted] = False
    assert float(powers(addition.model)[planted].min()) > 5 * float(powers(addition.model)[others].max())
    for control in (addition.twin, addition.random):
        assert float(powers(control).max()) < 1.7 * 2 / (MODULUS - 1), "every frequency has the same"


def test_all_planted_neurons_together_are_needed_and_none_alone(addition: Specimen):
    for prompt, answer, planted in zip(addition.prompts, addition.answers, addition.planted, strict=True):
        assert chance(addition.model, prompt, answer, silence_all(addition.model, planted.neurons)) < 0.1
    prompt, answer, planted = addition.prompts[0], addition.answers[0], addition.planted[0]
    for neuron in planted.neurons:
        assert chance(addition.model, prompt, answer, [silence(addition.model, *neuron)]) > 0.9


def test_gradients_find_planted_neurons_and_no_idle_one(addition: Specimen):
    mine = set(places(twin=False).values())
    for prompt, planted in zip(addition.prompts, addition.planted, strict=True):
        found = influence(addition.model, prompt, int(planted.nodes[-1][1]))
        whole = sum(found[neuron] for neuron in planted.neurons)
        assert whole > 5
        assert max(abs(value) for neuron, value in found.items() if neuron[1] not in mine) < 0.02 * whole


def test_the_twins_neurons_are_others():
    mine, twins = places(twin=False), places(twin=True)
    assert not set(mine.values()) & set(twins.values())
    assert (len(mine), len(twins)) == (len(FREQUENCIES) * N_PHASES, MODULUS**2)
