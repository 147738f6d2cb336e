"""The screen finds what the measurement would."""

import pytest
import torch

from hooke.directions.screen import screen
from hooke.directions.steer import dose_response
from hooke.directions.steer_config import SteerConfig
from hooke.errors import BadRequest
from hooke.sites import Site
from hooke.text.windows import WindowConfig, windows
from tests.features.planted import planted_corpus, planted_model

SITE = Site("resid_post", 0)
PROMPTS = ("the stone", "of the water and", "7 of")


def test_each_direction_is_measured_as_if_alone():
    model = planted_model()
    words = ("Ġbridge", "Ġmusic", "Ġriver", "Ġ42", "Ġsong")
    steps = torch.zeros(len(words), model.d_model)
    for place, word in enumerate(words):
        steps[place, model.tokenizer.convert_tokens_to_ids(word)] = 2.0 + place
    found = screen(model, SITE, steps, n_promoted=1, prompts=PROMPTS, at_once=3)
    assert [one.place for one in found] == [0, 1, 2, 3, 4]
    assert [model.tokenizer.convert_ids_to_tokens(one.promoted[0]) for one in found] == list(words)
    text = next(windows(planted_corpus(), model.tokenizer, WindowConfig(context=16, batch=2)))
    for place in (0, 4):
        config = SteerConfig(
            strengths=(1.0,), n_promoted=1, n_controls=0, selection=("the the",), measurement=PROMPTS, max_tokens=0
        )
        alone = dose_response(model, SITE, steps[place], text, name="d", unit=1.0, config=config)
        assert alone.treated.promoted[0].token == found[place].promoted[0]
        # Batches of another size are summed in another order.
        assert found[place].gain == pytest.approx(alone.treated.doses[0].gain.value, abs=1e-5)


def test_nothing_is_refused():
    model = planted_model()
    with pytest.raises(BadRequest):
        screen(model, SITE, torch.zeros(0, model.d_model))
