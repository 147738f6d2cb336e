"""Drift: no alarm where nothing changed, an alarm where something did, in either direction."""

import math

import numpy as np
import pytest

from hooke.errors import BadRequest
from hooke.monitors.drift import DriftAlarm, shift


def test_an_unchanged_stream_sets_off_no_more_alarms_than_it_may() -> None:
    generator = np.random.default_rng(0)
    alarmed = 0
    for _ in range(60):
        alarm = DriftAlarm(generator.standard_normal(400).tolist(), alpha=0.1)
        for peak in generator.standard_normal(400):
            alarm.see(float(peak))
        alarmed += alarm.is_alarmed
    assert alarmed <= 0.1 * 60


@pytest.mark.parametrize("by", [1.5, -1.5])
def test_a_shift_either_way_sets_it_off(by: float) -> None:
    generator = np.random.default_rng(1)
    alarm = DriftAlarm(generator.standard_normal(500).tolist(), alpha=0.01)
    for peak in generator.standard_normal(300) + by:
        alarm.see(float(peak))
    assert alarm.first_alarm is not None
    assert alarm.first_alarm < 200
    assert alarm.capital >= 200
    alarm.restart()
    assert (alarm.n, alarm.is_alarmed, alarm.capital) == (0, False, 1.0)


def test_texts_that_were_never_judged_are_part_of_it() -> None:
    alarm = DriftAlarm([-math.inf] * 100 + [float(at) for at in range(100)], alpha=0.01)
    for _ in range(200):
        alarm.see(-math.inf)
    assert math.isfinite(alarm.capital)
    with pytest.raises(BadRequest, match="at least 100"):
        DriftAlarm([0.0] * 99)


def test_psi_and_shares_are_for_looking_at() -> None:
    generator = np.random.default_rng(2)
    reference = generator.standard_normal(2000).tolist()
    same = shift(reference, generator.standard_normal(2000).tolist(), {"act": 2.0})
    moved = shift(reference, (generator.standard_normal(2000) + 1).tolist(), {"act": 2.0})
    assert same.psi < 0.05 < 0.25 < moved.psi
    assert moved.shares["act"][1] > 4 * moved.shares["act"][0]
    assert shift([0.0] * 200, [-math.inf] * 5, {}).psi > 1
    with pytest.raises(BadRequest):
        shift(reference, [], {})
