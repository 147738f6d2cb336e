"""Score maps give the model's own queries, keys and scores, and those its own pattern, in every architecture."""

import pytest
import torch

from hooke.errors import UnknownSite, UnsupportedModel
from hooke.models.score_maps import score_map
from tests.models.tiny import ARCHITECTURES, tiny_model

PROMPT = torch.arange(7) * 5 + 3


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "falcon"])
def test_scores_make_the_pattern(architecture: str):
    model = tiny_model(architecture)
    pattern = model.run(PROMPT[None], capture=["pattern.1"])["pattern.1"][0, 3, 6]
    scores = []
    for key in range(7):
        found = score_map(model, PROMPT, 1, 3, 6, key)
        scores.append(found.score)
        for side, position in ((found.query, 6), (found.key, key)):
            read = model.run(PROMPT[None], capture=["attn_in.1"])["attn_in.1"][0, position]
            torch.testing.assert_close(side.matrix @ read + side.bias, side.value, rtol=1e-4, atol=1e-5)
    capped = torch.tensor(scores)
    cap = getattr(model.config, "attn_logit_softcapping", None)
    if cap:
        capped = cap * (capped / cap).tanh()
    # Where there is a sink, the pattern sums to less than 1.
    torch.testing.assert_close(capped.softmax(-1), pattern / pattern.sum(), rtol=1e-4, atol=1e-6)


def test_the_map_is_of_one_position_and_its_rotation():
    model = tiny_model()
    near, far = (score_map(model, PROMPT, 0, 0, 6, key).key.matrix for key in (5, 1))
    assert not torch.allclose(near, far)
    torch.testing.assert_close(near.norm(), far.norm())


def test_nothing_stays_on_the_model():
    model = tiny_model("qwen3")
    score_map(model, PROMPT, 1, 0, 3, 2)
    assert not [one for one in model.hf.modules() if one._forward_hooks or one._forward_pre_hooks]


def test_attention_of_its_own_making_is_refused():
    with pytest.raises((UnsupportedModel, UnknownSite)):
        score_map(tiny_model("falcon"), PROMPT, 1, 0, 3, 2)
