"""A model whose weights are drawn anew: the same architecture, with nothing learnt in it."""

import copy

import torch

from hooke.models.model import Model
from hooke.seeds import generator_for


def redrawn(model: Model, *, seed: int = 0) -> Model:
    """A copy whose every matrix is drawn at random, as long as it was; gains of norms and biases as they are.

    Each tensor has a source of its own, keyed by its name, so that the draw does not depend on their order.
    """
    hf = copy.deepcopy(model.hf)
    with torch.no_grad():
        for name, weight in hf.named_parameters():
            if weight.ndim > 1:
                drawn = torch.randn(weight.shape, generator=generator_for(seed, name))
                weight.copy_(drawn * (weight.float().norm().cpu() / drawn.norm()))
    return Model(hf, model.tokenizer, name=f"{model.name}, weights drawn anew", lab=model.lab)
