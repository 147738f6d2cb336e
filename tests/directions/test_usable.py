"""The usable interval follows from the doses' intervals and the limits."""

from dataclasses import replace

import pytest

from hooke.directions.response import Arm, Limits
from hooke.directions.usable import failures, usable_interval
from tests.directions.doses import arm, around

QUIET = arm("random 1", dict.fromkeys((-1.0, 1.0, 2.0, 3.0, 4.0), 0.02), dict.fromkeys((-1.0, 1.0, 2.0, 3.0, 4.0), 1.0))
CHEAP = dict.fromkeys((-1.0, 1.0, 2.0, 3.0, 4.0), 1.1)
LIMITS = Limits(perplexity=0.5)


def found(gains: dict[float, float], ratios: dict[float, float] = CHEAP, **changes):
    treated = arm("f", gains, ratios)
    doses = tuple(replace(dose, **{name: by[dose.strength] for name, by in changes.items()}) for dose in treated.doses)
    controls = [Arm(name="r", promoted=(), doses=tuple(QUIET.doses[: len(doses)]))]
    return usable_interval(replace(treated, doses=doses), controls, LIMITS)


def test_it_is_the_longest_run_without_a_gap():
    one = found({1.0: 0.1, 2.0: 0.1, 3.0: 0.0, 4.0: 0.5})
    assert (one.low, one.high, one.relative) == (1.0, 2.0, pytest.approx((0.1, 0.2)))
    assert "2 of 4 doses" in one.reason


def test_doses_of_either_sign_are_no_neighbours():
    one = found({-1.0: 0.3, 1.0: 0.1, 2.0: 0.1})
    assert (one.low, one.high) == (1.0, 2.0)
    both = found({-1.0: 0.3, 1.0: 0.1})
    assert (both.low, both.high) == (-1.0, -1.0)
    assert "only" in both.reason


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("effect", {"gain": around(0.02)}),
        # The interval of a random direction's gain on the steered one's tokens reaches it.
        ("effect", {"gain": around(0.029)}),
        ("perplexity", {"perplexity_ratio": around(1.498)}),
        ("KL", {"kl": around(0.498)}),
        ("repetition", {"distinct_change": around(-0.248)}),
    ],
)
def test_each_limit_keeps_a_dose_out_that_is_not_surely_within(name: str, changes: dict):
    dose = arm("f", {1.0: 0.1}, CHEAP).doses[0]
    assert failures(dose, [QUIET.doses[0]], LIMITS) == ()
    assert failures(replace(dose, **changes), [QUIET.doses[0]], LIMITS) == (name,)


def test_none_is_an_answer_and_says_why():
    one = found({1.0: 0.1, 2.0: 0.0}, {1.0: 1.9, 2.0: 1.1})
    assert (one.low, one.high, one.relative) == (None, None, None)
    assert one.reason == "every one of 2 doses fails: effect at 1, perplexity at 1"


def test_where_no_text_was_made_repetition_is_not_held_against_a_dose():
    dose = replace(arm("f", {1.0: 0.1}, CHEAP).doses[0], distinct_change=around(float("nan")))
    assert failures(dose, [], LIMITS) == ()
