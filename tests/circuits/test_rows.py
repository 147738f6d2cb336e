"""Edges do not depend on which rows are computed together, and stop at the target's position."""

import torch

from hooke.circuits.frozen import freeze
from hooke.circuits.neuron_basis import neuron_basis
from hooke.circuits.rows import edges_into
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


def test_rows_are_the_same_alone_and_together():
    frozen = freeze(tiny_model(), PROMPT)
    chosen = torch.stack([block.neurons.abs() for block in frozen.blocks if block.neurons is not None])
    basis = neuron_basis(frozen, chosen, 80)
    together = edges_into(frozen, basis, basis.inputs(torch.arange(80)), batch=16)
    for number in (0, 41, 79):
        alone = edges_into(frozen, basis, basis.inputs(torch.tensor([number])))
        torch.testing.assert_close(alone.features[0], together.features[number], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(alone.take(torch.tensor([0])).total[0], together.total[number])
    later = basis.features.position[None, :] > basis.features.position[:, None]
    assert not together.features[later].any()
    higher = basis.features.layer[None, :] >= basis.features.layer[:, None]
    assert not together.features[higher].any()
