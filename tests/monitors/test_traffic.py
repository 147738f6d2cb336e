"""The traffic of a calibration."""

import math

from hooke.monitors.traffic import Reference


def test_what_was_never_judged_is_below_all_numbers_again() -> None:
    found = Reference.of("c", [1.5, -math.inf])
    assert (found.n, found.peaks) == (2, (1.5, None))
    assert found.known() == [1.5, -math.inf]
