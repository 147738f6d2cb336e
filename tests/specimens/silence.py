"""Edits that silence neurons."""

from collections.abc import Iterable

import torch

from hooke.models.edits import Edit, Patch, Project
from hooke.models.model import Model
from hooke.sites import parse_site
from hooke.specimens import Planted


def silence(model: Model, layer: int, index: int, position: int | None = None) -> Edit:
    """The edit that sets one neuron to zero, at one position or at all."""
    places, site = None if position is None else (position,), f"neurons.{layer}"
    return Project(site, torch.eye(model.width(parse_site(site)))[index], positions=places)


def silence_all(model: Model, neurons: Iterable[tuple[int, int, int]]) -> list[Edit]:
    return [silence(model, *neuron) for neuron in neurons]


def only(model: Model, prompt: str, planted: Planted) -> list[Edit]:
    """Edits that set every neuron but the planted ones to zero; those are what they are in an undisturbed run."""
    run = model.run(prompt, capture=["neurons.*"])
    edits = []
    for layer in range(model.n_layers):
        plain = run[f"neurons.{layer}"][0]
        kept = torch.zeros_like(plain)
        for at, index, position in planted.neurons:
            if at == layer:
                kept[position, index] = plain[position, index]
        edits.append(Patch(f"neurons.{layer}", kept))
    return edits


def chance(model: Model, prompt: str, answer: str, edits: Iterable[Edit] = ()) -> float:
    """The probability of a word after a prompt."""
    logits = model.run(prompt, edits=list(edits)).logits
    assert logits is not None
    return float(logits[0, -1].softmax(-1)[model.tokenizer.convert_tokens_to_ids(answer)])
