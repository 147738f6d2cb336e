"""How much may be claimed, by rule."""

from typing import Any

import pytest

from hooke.findings import Finding
from hooke.studies.claim_level import ClaimLevel, claim_level


def finding(low: float, high: float, control: tuple[float, float] = (-0.1, 0.1)) -> Finding:
    return Finding(
        claim="", value=(low + high) / 2, interval=(low, high), n=6, control=0.0, control_interval=control
    )  # fmt: skip


PASSES = {
    "effect": finding(1.0, 2.0), "unrelated": finding(0.0, 0.5), "cost": finding(0.0, 0.05),
    "worst": finding(0.5, 1.0), "was_attacked": True,
}  # fmt: skip


def level(**changed: Any) -> ClaimLevel:
    return claim_level(**(PASSES | changed), cost_limit=0.1)


def test_all_of_it_is_robust():
    assert level().level == "L4"


@pytest.mark.parametrize(
    ("changed", "expected", "words"),
    [
        ({"effect": finding(-0.1, 2.0)}, "L0", "not surely above 0"),
        ({"effect": finding(1.0, 2.0, control=(0.9, 1.1))}, "L0", "furthest random"),
        ({"unrelated": finding(0.5, 1.5)}, "L0", "only the cue"),
        ({"cost": finding(0.05, 0.2)}, "L0", "surely within 0.1"),
        ({"worst": finding(-0.2, 0.5)}, "L3", "worst wording"),
        ({"was_attacked": False}, "L3", "adaptive attack"),
    ],
)
def test_each_condition_can_keep_it_from_the_next_rung(changed: dict[str, Any], expected: str, words: str):
    found = level(**changed)
    assert found.level == expected
    assert words in found.words
