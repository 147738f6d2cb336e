"""Verdicts follow from the intervals, and findings carry their controls."""

import json

import pytest

from hooke.configs import from_dict, to_dict
from hooke.directions.response import DoseResponse, Limits, Usable, judge
from tests.directions.doses import arm, around

RATIOS = {1.0: 1.1, 2.0: 1.3, 4.0: 3.0}
QUIET = arm("random 1", {1.0: 0.0, 2.0: 0.02, 4.0: 0.05}, RATIOS)


@pytest.mark.parametrize(
    ("gains", "outcome", "strength"),
    [
        ({1.0: 0.05, 2.0: 0.2, 4.0: 0.5}, "steers", 2.0),
        ({1.0: 0.0, 2.0: 0.025, 4.0: 0.5}, "steers at a cost", 4.0),
        ({1.0: 0.0, 2.0: 0.02, 4.0: 0.05}, "does not steer", None),
        ({1.0: -0.3, 2.0: -0.3, 4.0: -0.3}, "does not steer", None),
        # Sure and above the control, but too small to mean anything.
        ({1.0: 0.012, 2.0: 0.0, 4.0: 0.0}, "does not steer", None),
    ],
)
def test_the_verdict_is_what_the_intervals_say(gains: dict[float, float], outcome: str, strength: float | None):
    verdict = judge(arm("f", gains, RATIOS), [QUIET], smallest_gain=0.01, limit=0.5)
    assert (verdict.outcome, verdict.strength) == (outcome, strength)


def test_the_loudest_control_counts():
    loud = arm("random 2", {1.0: 0.1, 2.0: 0.3, 4.0: 0.6}, RATIOS)
    treated = arm("f", {1.0: 0.05, 2.0: 0.2, 4.0: 0.5}, RATIOS)
    assert judge(treated, [QUIET, loud], smallest_gain=0.01, limit=0.5).outcome == "does not steer"


def test_a_perplexity_whose_interval_reaches_the_limit_is_a_cost():
    treated = arm("f", {2.0: 0.2}, {2.0: 1.3})
    assert judge(treated, [], smallest_gain=0.01, limit=0.31).outcome == "steers"
    assert judge(treated, [], smallest_gain=0.01, limit=0.304).outcome == "steers at a cost"


def response() -> DoseResponse:
    treated = arm("f", {1.0: 0.05, 2.0: 0.2, 4.0: 0.5}, RATIOS)
    return DoseResponse(
        name="resid_post.0/1@d", model="m", site="resid_post.0", unit=3.0, norm=3.0, selection_strength=1.0,
        baseline_distinct=around(0.9), n_continued=8, limits=Limits(),
        usable=Usable(low=1.0, high=2.0, relative=(0.1, 0.2)), baseline_mass=around(0.1),
        baseline_perplexity=around(20.0), prompt="I went to", baseline_continuation=" town",
        treated=treated, controls=(QUIET,), n_prompts=12, n_windows=8, n_tokens=100, text="default",
        verdict=judge(treated, [QUIET], smallest_gain=0.01, limit=0.5), seed=0,
    )  # fmt: skip


def test_findings_carry_the_control_of_the_same_dose():
    gain, ratio, *rest = response().findings()
    assert len(rest) == 4
    assert (gain.value, gain.control, gain.n) == (0.05, 0.0, 12)
    assert (ratio.value, ratio.control, ratio.n) == (1.1, 1.1, 8)
    assert "strength 1" in gain.claim
    assert "random directions" in str(gain.control_name)


def test_the_response_survives_json():
    data = json.loads(json.dumps(to_dict(response())))
    assert from_dict(DoseResponse, data) == response()
