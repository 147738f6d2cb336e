import math

import pytest
import torch

from hooke.directions.relative_dose import relative_change
from hooke.models.edits import Add, Cap
from tests.models.tiny import tiny_model

MODEL = tiny_model("llama")
TOKENS = MODEL.tokenize(torch.randint(3, 128, (2, 9), generator=torch.Generator().manual_seed(0)))
COUNTED = torch.ones(2, 9, dtype=torch.bool)
VECTOR = torch.randn(32, generator=torch.Generator().manual_seed(1))


def test_of_an_addition_it_is_its_length_beside_the_streams():
    counted = COUNTED.clone()
    counted[:, :3] = False
    rows = MODEL.run(TOKENS, capture=["resid_post.1"])["resid_post.1"][counted]
    edit = Add(site="resid_post.1", vector=VECTOR, scale=3.0)
    expected = 3 * float(VECTOR.norm()) / float(rows.norm(dim=-1).median())
    assert relative_change(MODEL, TOKENS, counted, [edit], {}) == pytest.approx(expected, rel=1e-4)


def test_the_largest_of_several_sites_counts_and_logits_have_no_length():
    small = Add(site="resid_post.0", vector=VECTOR, scale=1e-3)
    large = Add(site="resid_post.2", vector=VECTOR, scale=10.0)
    alone = relative_change(MODEL, TOKENS, COUNTED, [large], {})
    assert relative_change(MODEL, TOKENS, COUNTED, [small, large], {}) == pytest.approx(alone, rel=1e-2)
    assert math.isnan(relative_change(MODEL, TOKENS, COUNTED, [Add(site="logits", vector=torch.ones(128))], {}))


def test_a_cap_that_reaches_nothing_has_none():
    assert relative_change(MODEL, TOKENS, COUNTED, [Cap(site="resid_post.1", direction=VECTOR, high=1e9)], {}) == 0
