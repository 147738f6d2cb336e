"""Continuations side by side."""

import math

import pytest
import torch

from hooke.directions.arms import say
from hooke.models.edits import Add
from tests.features.planted import planted_model

PROMPT = "the stone"


def test_the_arms_say_what_the_model_says_with_and_without():
    model = planted_model()
    towards = torch.zeros(model.d_model)
    towards[model.tokenizer.convert_tokens_to_ids("Ġbridge")] = 8.0
    baseline = say(model, PROMPT, [], name="baseline", max_tokens=2)
    treated = say(model, PROMPT, [Add(site="resid_post.0", vector=towards)], name="treated", strength=1.0, max_tokens=2)
    assert baseline.text == "Ġstone Ġstone"
    assert treated.text == "Ġbridge Ġbridge"
    # Under the plain model the last token comes again: exp(sqrt(width)) against 1 for each other token.
    width = model.d_model
    again = math.log(math.exp(math.sqrt(width)) + model.d_vocab - 1)
    assert baseline.surprise == pytest.approx(again - math.sqrt(width), rel=1e-4)
    # First 'bridge' after 'stone' is a surprise, the second one after it is not.
    assert treated.surprise == pytest.approx((again + again - math.sqrt(width)) / 2, rel=1e-4)


def test_nothing_said_has_no_surprise():
    assert math.isnan(say(planted_model(), PROMPT, [], name="baseline", max_tokens=0).surprise)
