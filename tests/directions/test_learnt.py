"""Vectors that are learnt by what they do."""

from dataclasses import replace

import pytest
import torch

from hooke.directions.learnt import LearnConfig, learn_direction
from hooke.directions.token_rows import read_rows
from hooke.errors import BadConfig, BadRequest
from hooke.sites import parse_site
from tests.directions.talking import sentences, talking_model

SITE = parse_site("resid_post.0")


def test_what_is_learnt_does_on_other_groups_what_random_directions_do_not() -> None:
    model, config = talking_model(), LearnConfig(n_controls=4)
    found = learn_direction(model, sentences(), SITE, name="cat", concept="cat", config=config)
    length = float(read_rows(model, sentences(), [SITE]).rows[SITE].norm(dim=-1).median())
    assert float(found.vector.norm()) <= 1.1 * config.dose * length
    random, plain = found.findings
    assert random.value == plain.value
    assert random.control is not None
    assert random.control_interval is not None
    assert random.value > max(random.control_interval[1], 0.05)
    assert "difference of means" in plain.control_name
    assert model.hf.get_input_embeddings().weight.grad is None  # pyright: ignore
    again = learn_direction(model, sentences(), SITE, name="cat", concept="cat", config=config)
    torch.testing.assert_close(again.vector, found.vector)


def test_labels_that_say_nothing_teach_nothing() -> None:
    items = [replace(one, label=at % 4 in (0, 3)) for at, one in enumerate(sentences())]
    found = learn_direction(talking_model(), items, SITE, name="none", concept="none", config=LearnConfig(n_controls=4))
    random = found.findings[0]
    assert random.control is not None
    assert random.interval[0] < max(random.control, 0.05)


def test_the_last_layer_and_impossible_settings_are_refused() -> None:
    with pytest.raises(BadRequest, match="before the last"):
        learn_direction(talking_model(), sentences(), parse_site("resid_post.2"), name="cat", concept="cat")
    with pytest.raises(BadConfig, match="above 0"):
        LearnConfig(dose=0.0)
