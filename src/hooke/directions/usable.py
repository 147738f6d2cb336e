"""The range of doses at which steering is surely there and surely bearable: found by rule, and often there is none."""

from collections.abc import Sequence

from hooke.directions.response import Arm, Dose, Limits, Usable


def usable_interval(treated: Arm, controls: Sequence[Arm], limits: Limits) -> Usable:
    """The longest run of neighbouring doses of one sign that fail in nothing; of equal ones that with the largest gain.

    Doses between those that were measured are taken to be like them; nothing is said beyond the last ones.
    """
    failed = {
        dose.strength: failures(dose, [arm.doses[place] for arm in controls], limits)
        for place, dose in enumerate(treated.doses)
    }
    runs: list[list[Dose]] = []
    before: Dose | None = None
    for dose in sorted(treated.doses, key=lambda one: one.strength):
        if not failed[dose.strength]:
            is_next = before is not None and not failed[before.strength] and before.strength * dose.strength > 0
            runs = [*runs[:-1], [*runs[-1], dose]] if is_next else [*runs, [dose]]
        before = dose
    if not runs:
        return Usable(reason=_why_none(failed))
    best = max(runs, key=lambda run: (len(run), max(dose.gain.value for dose in run)))
    low, high = sorted((best[0], best[-1]), key=lambda dose: abs(dose.strength))
    n = f"{len(best)} of {len(treated.doses)} doses" if len(best) > 1 else f"one of {len(treated.doses)} doses only"
    return Usable(
        low=low.strength,
        high=high.strength,
        relative=(low.relative, high.relative),
        reason=f"{n} with a sure effect and within all limits",
    )


def failures(dose: Dose, controls: Sequence[Dose], limits: Limits) -> tuple[str, ...]:
    """What keeps a dose from being usable, of effect, perplexity, KL and repetition."""
    reached = [max(one.gain.interval[1], one.target_gain.interval[1]) for one in controls]
    checks = {
        "effect": dose.gain.interval[0] > max([limits.gain, *reached]),
        "perplexity": dose.perplexity_ratio.interval[1] < 1 + limits.perplexity,
        "KL": dose.kl.interval[1] < limits.kl,
        # A text of one token has no pairs, and where none was made nothing is known of repetition.
        "repetition": not dose.distinct_change.interval[0] <= -limits.distinct,
    }
    return tuple(name for name, is_well in checks.items() if not is_well)


def _why_none(failed: dict[float, tuple[str, ...]]) -> str:
    counts = {
        name: sum(name in one for one in failed.values()) for name in ("effect", "perplexity", "KL", "repetition")
    }
    said = ", ".join(f"{name} at {n}" for name, n in counts.items() if n)
    return f"every one of {len(failed)} doses fails: {said}"
