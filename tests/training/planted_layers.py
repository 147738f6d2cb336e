"""Layers whose outputs are known sums of planted directions that their inputs show."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hooke.training.together import Layout, transcoder_layout

D_IN, D_OUT, N_PLANTED, N_LAYERS, MEAN_ACTIVE = 16, 16, 24, 3, 2
LAYERS = (1, 2, 4)


def layout(*, crosses_layers: bool = False) -> Layout:
    return transcoder_layout("mlp_in", LAYERS, crosses_layers=crosses_layers)


def directions(number: int) -> Tensor:
    """Far from the seeds of trainings, whose first weights would be these."""
    rows = torch.randn(N_PLANTED, D_IN, generator=torch.Generator().manual_seed(5_000 + number))
    return rows / rows.norm(dim=1, keepdim=True)


def batch(number: int, size: int = 256) -> Tensor:
    """Each input shows features of its own layer; the output has them and, half as strong, those of earlier layers."""
    generator = torch.Generator().manual_seed(1000 + number)
    inputs, outputs = [], []
    acts: list[Tensor] = []
    for layer in range(N_LAYERS):
        active = torch.rand(size, N_PLANTED, generator=generator) < MEAN_ACTIVE / N_PLANTED
        acts.append(active * (2 + torch.rand(size, N_PLANTED, generator=generator)))
        inputs.append(5 * acts[layer] @ directions(layer) + 1)
        written = acts[layer] @ directions(10 + layer)
        for earlier in range(layer):
            written = written + 0.5 * acts[earlier] @ directions(20 + 5 * earlier + layer)
        outputs.append((layer + 1) * written - 2)
    return torch.cat([*inputs, *outputs], dim=1)


def batches(size: int = 256) -> Callable[[int], Iterator[Tensor]]:
    def after(skip: int) -> Iterator[Tensor]:
        number = skip
        while True:
            yield batch(number, size)
            number += 1

    return after
