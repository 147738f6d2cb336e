"""Continuations side by side."""

import math

import pytest
import torch

from hooke.directions.arms import Asked, say
from hooke.models.edits import Add
from tests.features.planted import planted_model

PROMPT = "the stone"


def test_the_arms_say_what_the_model_says_with_and_without():
    model = planted_model()
    towards = torch.zeros(model.d_model)
    towards[model.tokenizer.convert_tokens_to_ids("Ġbridge")] = 8.0
    steered = Asked(name="treated", strength=1.0, edits=(Add(site="resid_post.0", vector=towards),))
    baseline, treated, again = say(
        model, PROMPT, [Asked(name="baseline"), steered, Asked(name="baseline")], max_tokens=2
    )
    assert (baseline.name, baseline.strength, treated.name, treated.strength) == ("baseline", None, "treated", 1.0)
    assert again == baseline
    assert baseline.text == "Ġstone Ġstone"
    assert treated.text == "Ġbridge Ġbridge"
    # Under the plain model the last token comes again: exp(sqrt(width)) against 1 for each other token.
    width = model.d_model
    repeated = math.log(math.exp(math.sqrt(width)) + model.d_vocab - 1)
    assert baseline.surprise == pytest.approx(repeated - math.sqrt(width), rel=1e-4)
    # First 'bridge' after 'stone' is a surprise, the second one after it is not.
    assert treated.surprise == pytest.approx((repeated + repeated - math.sqrt(width)) / 2, rel=1e-4)


def test_nothing_said_has_no_surprise():
    (said,) = say(planted_model(), PROMPT, [Asked(name="baseline")], max_tokens=0)
    assert math.isnan(said.surprise)
