"""The rows of the projections that are found make the model's own queries, keys and values, in every architecture."""

import pytest
import torch

from hooke.errors import UnsupportedModel
from hooke.models.hooks import Pass, Stop, recorded
from hooke.models.projections import projections
from hooke.sites import Site
from tests.models.tiny import ARCHITECTURES, tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in ("falcon", "olmo2")])
def test_what_is_given_in_their_place_is_worked_on(architecture: str):
    model = tiny_model(architecture)
    found = projections(model)
    assert len(found) == model.n_layers
    own = model.run(PROMPT, capture=["attn_in.1", "z.1"])
    read = own["attn_in.1"]
    given = {kind: torch.einsum("bpd,hed->bphe", read, one.matrix) + one.bias for kind, one in found[1].reads.items()}
    z = Site("z", 1)
    running = Pass(model.anatomy, frozenset({z}), {}, lambda _, value: value.clone(), stop_at=z)
    with recorded([model.anatomy.attention[1]]) as calls, torch.no_grad():
        model.hf(input_ids=PROMPT, use_cache=False)
    with model.open(running), found[1].giving(given), torch.no_grad(), pytest.raises(Stop):
        calls[0].again(torch.zeros_like(read))
    torch.testing.assert_close(running.read[z], own[z], rtol=1e-4, atol=1e-5)
    again = model.run(PROMPT, capture=["z.1"])["z.1"]
    torch.testing.assert_close(again, own["z.1"], msg="the modules are as they were")


def test_attention_outside_the_interface_is_refused():
    with pytest.raises(UnsupportedModel, match="interface"):
        projections(tiny_model("falcon"))


def test_a_norm_over_all_heads_together_is_refused():
    with pytest.raises(UnsupportedModel, match="cannot be told apart at 'q.0'"):
        projections(tiny_model("olmo2"))
