"""Edits that silence neurons."""

from collections.abc import Iterable

import torch

from hooke.models.edits import Edit, Patch, Project
from hooke.models.model import Model
from hooke.specimens import Planted
from hooke.specimens.weights import D_MLP


def silence(layer: int, index: int, position: int | None = None) -> Edit:
    """The edit that sets one neuron to zero, at one position or at all."""
    places = None if position is None else (position,)
    return Project(f"neurons.{layer}", torch.eye(D_MLP)[index], positions=places)


def silence_all(neurons: Iterable[tuple[int, int, int]]) -> list[Edit]:
    return [silence(*neuron) for neuron in neurons]


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
