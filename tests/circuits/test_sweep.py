"""The sweep is the derivative: compared with autograd through a frozen model written another way."""

import pytest
import torch
from torch import Tensor

from hooke.circuits.frozen import FrozenModel, attend, freeze
from hooke.circuits.sweep import Rows, batches, sweep
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3
ARCHITECTURES = ["llama", "gemma2", "gemma3_text", "qwen3", "gpt2", "gpt_neox", "gpt_oss"]


def random_rows(frozen: FrozenModel, n: int = 12) -> Rows:
    """Targets at MLP inputs and at the end, deepest first, at any position."""
    generator = torch.Generator().manual_seed(1)
    depths = [2 * frozen.n_layers, *(frozen.mlp_depth(layer) for layer in range(frozen.n_layers))]
    depth = torch.tensor(depths)[torch.randint(0, len(depths), (n,), generator=generator)]
    position = torch.randint(0, frozen.n_positions, (n,), generator=generator)
    vector = torch.randn(n, frozen.embed.shape[1], generator=generator)
    rows = Rows(depth, position, vector, torch.randn(n, generator=generator))
    return rows.take(depth.argsort(descending=True, stable=True))


def forward(frozen: FrozenModel, embed: Tensor, mlp_out: Tensor) -> dict[int, Tensor]:
    """The stream at every depth, as a function of the leaves."""
    stream = embed + frozen.place
    streams = {0: stream}
    for layer, block in enumerate(frozen.blocks):
        stream = stream + attend(block, stream)
        streams[2 * layer + 1] = stream
        stream = stream + mlp_out[layer]
        streams[2 * layer + 2] = stream
    return streams


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sweep_equals_autograd(architecture: str):
    frozen = freeze(tiny_model(architecture), PROMPT)
    rows = random_rows(frozen)
    seen: dict[int, Tensor] = {}
    swept = sweep(frozen, rows, lambda layer, gradient: seen.update({layer: gradient.clone()}))
    embed, mlp_out = frozen.embed.clone().requires_grad_(), frozen.mlp_out.clone().requires_grad_()
    streams = forward(frozen, embed, mlp_out)
    for at in range(len(rows)):
        value = streams[int(rows.depth[at])][rows.position[at]] @ rows.vector[at]
        on_embed, on_mlp = torch.autograd.grad(value, (embed, mlp_out), retain_graph=True, allow_unused=True)
        n = len(swept.embed)
        torch.testing.assert_close(swept.embed[:, at], on_embed[:n], rtol=1e-4, atol=1e-5)
        assert not on_embed[int(rows.position[at]) + 1 :].any()
        for layer, gradient in seen.items():
            if at < gradient.shape[1]:
                assert on_mlp is not None
                torch.testing.assert_close(gradient[:, at], on_mlp[layer, :n], rtol=1e-4, atol=1e-5)
        # The value is linear in the leaves; the rest of it is the constant.
        left = value - (embed * on_embed).sum() - (0 if on_mlp is None else (mlp_out * on_mlp).sum())
        torch.testing.assert_close(swept.constant[at], rows.constant[at] + left, rtol=1e-3, atol=1e-3)


def test_batches_hold_every_row_once_deepest_first():
    frozen = freeze(tiny_model(), PROMPT)
    rows = random_rows(frozen, 30)
    found = list(batches(rows, 8))
    assert sorted(torch.cat(found).tolist()) == list(range(30))
    for chosen in found:
        depth = rows.depth[chosen]
        assert bool((depth[:-1] >= depth[1:]).all())
