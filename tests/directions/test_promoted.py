"""The tokens that edits make likelier after neutral prompts."""

import pytest
import torch

from hooke.directions.promoted import promoted_tokens
from hooke.directions.prompts import SELECTION
from hooke.models.edits import Add
from hooke.models.model import Model
from tests.features.planted import planted_model
from tests.models.tiny import tiny_model

VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(4)) * 4


@pytest.fixture(scope="module")
def model() -> Model:
    return planted_model()


def test_they_are_those_that_rise_most(model: Model):
    edit = Add(site="resid_post.0", vector=torch.ones(model.d_model).cumsum(0) / 9, positions="1:")
    found = promoted_tokens(model, [edit], {}, n=3)
    plain, edited = ([], [])
    for prompt in SELECTION:
        for edits, rows in (((), plain), ((edit,), edited)):
            logits = model.run(prompt, edits=edits).logits
            assert logits is not None
            rows.append(logits[0, -1].log_softmax(-1))
    rises = (torch.stack(edited) - torch.stack(plain)).mean(0)
    assert found == rises.topk(3).indices.tolist()
    assert promoted_tokens(model, [edit], {}, n=3) == found, "from what is remembered"


def test_edits_of_new_tokens_only_promote_nothing_that_can_be_seen(model: Model):
    edit = Add(site="resid_post.0", vector=torch.ones(model.d_model), when="generated")
    assert promoted_tokens(model, [edit], {}) == []
    assert promoted_tokens(model, [], {}) == []


def test_a_model_without_a_tokenizer_has_no_neutral_prompts():
    assert promoted_tokens(tiny_model(), [Add(site="resid_post.0", vector=VECTOR)], {}) == []
