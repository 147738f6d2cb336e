"""Changes run forwards as the whole frozen model does, each on its own, and never backwards in position."""

import pytest
import torch

from hooke.circuits.forward import at_once, forward
from hooke.circuits.frozen import attend, freeze
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("architecture", ["llama", "gemma2", "gpt2", "gpt_neox"])
def test_a_change_is_the_difference_of_two_whole_passes(architecture: str):
    frozen = freeze(tiny_model(architecture), PROMPT)
    added = torch.randn(32, generator=torch.Generator().manual_seed(0))
    # A token, and an MLP output; both together are their sum.
    sources = [[(-1, 2, added)], [(1, 4, added)], [(-1, 2, added), (1, 4, added)]]
    found = dict(forward(frozen, sources, {}))
    for source, writes in enumerate(sources):
        embed, mlp_out = frozen.embed.clone(), frozen.mlp_out.clone()
        for layer, position, vector in writes:
            (embed if layer < 0 else mlp_out[layer])[position] += vector
        stream = embed + frozen.place
        for layer, block in enumerate(frozen.blocks):
            torch.testing.assert_close(found[2 * layer][source], stream - frozen.pre[layer], rtol=1e-3, atol=1e-4)
            stream = stream + attend(block, stream) + mlp_out[layer]
        torch.testing.assert_close(found[2 * frozen.n_layers][source], stream - frozen.final, rtol=1e-3, atol=1e-4)
    assert not found[2 * frozen.n_layers][0][:2].any()


def test_what_the_linear_path_passes_on_arrives():
    frozen = freeze(tiny_model(), PROMPT)
    added = torch.ones(32)
    without, doubled = (
        dict(forward(frozen, [[(-1, 3, added)]], skips)) for skips in ({}, {2: lambda change: 2 * change})
    )
    torch.testing.assert_close(doubled[6], without[6] + 2 * without[5])


def test_long_prompts_take_fewer_sources_at_once():
    short, long = (freeze(tiny_model(), torch.arange(n)[None] % 100 + 3) for n in (7, 60))
    assert at_once(short) >= at_once(long) >= 1
