"""A model that speaks under the eyes of monitors."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hooke.errors import PromptTooLong
from hooke.lab import Lab
from hooke.monitors.live import speak_watched
from hooke.monitors.spec import Action
from hooke.sites import parse_site
from tests.directions.made import SITE
from tests.models.tiny import tiny_model
from tests.monitors.made import monitor_of


def test_what_is_said_is_what_the_model_says_and_scored_as_offline(tmp_path: Path) -> None:
    model = tiny_model()
    monitor = monitor_of(model, Lab(tmp_path))
    told = list(speak_watched(model, [3, 4, 5, 6], [monitor], max_tokens=6))
    ids = torch.tensor([one.token for one in told])
    assert [one.is_prompt for one in told] == [True] * 4 + [False] * (len(told) - 4)
    logits = model.run(ids).logits
    assert logits is not None
    assert logits[0, 3:-1].argmax(-1).tolist() == ids[4:].tolist()
    rows = {parse_site(SITE): model.run(ids, capture=[SITE], logits=False)[SITE][0]}
    offline, _ = monitor.follow(rows, n_prompt=4)
    live = [one.readings[0].score for one in told]
    assert live[1:] == pytest.approx([one.score for one in offline][1:], rel=1e-5, abs=1e-5)


def test_a_monitor_that_stops_ends_it(tmp_path: Path) -> None:
    model = tiny_model()
    monitor = monitor_of(model, Lab(tmp_path), reads="generated", act=-1e9, action=Action(do="stop"))
    told = list(speak_watched(model, [3, 4, 5, 6], [monitor], max_tokens=6))
    assert [one.is_prompt for one in told] == [True] * 4 + [False]
    looking = replace(monitor, spec=replace(monitor.spec, action=Action()))
    assert len(list(speak_watched(model, [3, 4, 5, 6], [looking], max_tokens=6))) > 5


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    model = tiny_model()
    with pytest.raises(PromptTooLong):
        list(speak_watched(model, [3], [], max_tokens=64))
