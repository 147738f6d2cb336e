"""How much may be claimed of something that was taken out of a model, by a rule on intervals.

L0 described · L3 causal · L4 robust. L1 and L2 are of reading (`directions.evidence`), and are not reached by edits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hooke.findings import Finding

Level = Literal["L0", "L3", "L4"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimLevel:
    """What may be said."""

    level: Level
    """The rung of the ladder of claims."""
    words: str
    """Which conditions kept it from the next."""


def claim_level(
    effect: Finding, unrelated: Finding, cost: Finding, worst: Finding, *, cost_limit: float, was_attacked: bool
) -> ClaimLevel:
    """The level of the claim that what was taken out causes a behaviour.

    L3 where the effect is surely above 0 and above its control, surely larger than on what the behaviour is not, and
    surely within the limit of cost. L4 where, besides, the worst wording passes the same and an attack was tried.

    Args:
        effect: on the behaviour, larger for more of it undone; its control is the furthest random one.
        unrelated: the same change where only the cue of the behaviour is there.
        cost: what it costs elsewhere.
        worst: the effect in the worst of many wordings.
        cost_limit: the most that it may cost.
        was_attacked: whether somebody tried to break it adaptively.
    """
    causal = [
        (_is_effective(effect), "its effect is not surely above 0 and above the furthest random one"),
        (effect.interval[0] > unrelated.interval[1], "it does not surely move more than where only the cue is there"),
        (cost.interval[1] <= cost_limit, f"its cost is not surely within {cost_limit}"),
    ]
    robust = [
        (_is_effective(worst), "in the worst wording its effect is not sure"),
        (was_attacked, "no adaptive attack was tried"),
    ]
    if missed := _missed(causal):
        return ClaimLevel(level="L0", words=f"described, no cause shown: {missed}")
    if missed := _missed(robust):
        return ClaimLevel(level="L3", words=f"causal, not robust: {missed}")
    return ClaimLevel(level="L4", words="causal, in the worst wording and under attack, too")


def _is_effective(one: Finding) -> bool:
    beside = one.control_interval[1] if one.control_interval else 0.0
    return one.interval[0] > max(0.0, beside)


def _missed(conditions: Sequence[tuple[bool, str]]) -> str:
    return "; ".join(words for is_met, words in conditions if not is_met)
