"""Doses and arms with chosen numbers."""

from hooke.directions.response import Arm, Dose, PromotedToken
from hooke.findings import Estimate


def around(value: float, half_width: float = 0.005) -> Estimate:
    """A number with a narrow interval."""
    return Estimate(value=value, interval=(value - half_width, value + half_width))


def arm(name: str, gains: dict[float, float], ratios: dict[float, float]) -> Arm:
    """A direction with these gains and perplexity ratios at these strengths."""
    doses = tuple(
        Dose(
            strength=strength,
            mass=around(0.1 + gain),
            gain=around(gain),
            target_gain=around(gain),
            perplexity=around(20 * ratios[strength]),
            perplexity_ratio=around(ratios[strength]),
            kl=around(0.1 * ratios[strength]),
            wrong_way=around(0.1),
            distinct=around(0.9),
            distinct_change=around(0.0),
            relative=0.1 * strength,
            continuation="",
        )
        for strength, gain in gains.items()
    )
    return Arm(name=name, promoted=(PromotedToken(token=1, text=" bridge", rise=2.0),), doses=doses)
