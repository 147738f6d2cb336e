"""Doses of directions: what is said beside them. The verb itself is tried in test_direction.py."""

from hooke.cli.steer_direction import USUAL


def test_the_usual_doses_stay_below_what_breaks_text() -> None:
    assert max(USUAL) < 0.7
