"""What steering along a direction did, dose by dose, beside random directions that were put through the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hooke.findings import Estimate, Finding

Outcome = Literal["steers", "steers at a cost", "does not steer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PromotedToken:
    """A token that a direction makes likelier on the selection prompts."""

    token: int
    """Its id."""
    text: str
    """Its text."""
    rise: float
    """Rise of its mean log-probability on the selection prompts, in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dose:
    """One direction at one strength."""

    strength: float
    """In units of the feature's largest activation."""
    mass: Estimate
    """Probability of the direction's own promoted tokens as the next token, mean over the measurement prompts."""
    gain: Estimate
    """The same minus what it is without the edit, prompt by prompt."""
    target_gain: Estimate
    """Gain of the steered direction's promoted tokens; for that direction itself the same as `gain`."""
    perplexity: Estimate
    """Perplexity of held-out text with the edit in force."""
    perplexity_ratio: Estimate
    """The same divided by what it is without the edit, window by window."""
    kl: Estimate
    """Divergence of the edited prediction from the unedited one on that text, nats per token."""
    wrong_way: Estimate
    """Share of the measurement prompts on which the mass moved against the dose's sign, by Wilson's interval."""
    distinct: Estimate
    """Share of neighbouring pairs of tokens of the continuations that are distinct."""
    distinct_change: Estimate
    """The same minus what it is without the edit, prompt by prompt."""
    relative: float
    """How long what is added is, as a share of the median length of the stream there."""
    continuation: str
    """How the model goes on with the example prompt, each time the likeliest token; empty where it was not asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One direction at all strengths."""

    name: str
    """The direction."""
    promoted: tuple[PromotedToken, ...]
    """Its tokens, chosen on the selection prompts at one strength and kept for all."""
    doses: tuple[Dose, ...]
    """By strength."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether the direction steers, by the rule of `judge`."""

    outcome: Outcome
    """The verdict in a word."""
    strength: float | None
    """The dose with the largest gain among those that speak for it."""
    reason: str
    """The numbers that decided it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a usable dose may cost, and what it must do."""

    gain: float = 0.01
    """Gain in probability that the effect must surely exceed, besides all that random directions reach."""
    perplexity: float = 1.0
    """Rise in perplexity, as a share."""
    kl: float = 0.5
    """Divergence from the unedited model on held-out text, nats per token."""
    distinct: float = 0.25
    """Fall in the share of distinct pairs of the continuations."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usable:
    """The doses between which a direction can be used, by the rule of `hooke.directions.usable`."""

    low: float | None = None
    """The smallest in size; None where there is none."""
    high: float | None = None
    """The largest in size."""
    relative: tuple[float, float] | None = None
    """Both as shares of the stream's median length."""
    reason: str = ""
    """What decided it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseResponse:
    """Strength against the probability of promoted tokens and against perplexity, beside controls."""

    name: str
    """The direction, a feature's address where it is one."""
    model: str
    """The model."""
    site: str
    """Where it is added: at every token but the first of a prompt, which holds the attention sink. Of a recipe, all."""
    unit: float | None
    """Strength 1 in activation: the feature's largest; of a direction the stream's median length, None of a recipe."""
    norm: float | None
    """Norm of what strength 1 adds; None of a recipe."""
    selection_strength: float
    """The strength at which each direction's promoted tokens are chosen."""
    baseline_mass: Estimate
    """Probability of the direction's promoted tokens without an edit."""
    baseline_perplexity: Estimate
    """Perplexity of the held-out text without an edit."""
    baseline_distinct: Estimate
    """Share of distinct pairs of the continuations without an edit."""
    prompt: str
    """The example prompt."""
    baseline_continuation: str
    """How the model goes on with it by itself."""
    treated: Arm
    """The direction."""
    controls: tuple[Arm, ...]
    """Random directions of the same norm."""
    n_prompts: int
    """Measurement prompts, the units of the intervals of masses and gains."""
    n_continued: int
    """Prompts that were continued, the units of the intervals of distinct pairs."""
    n_windows: int
    """Windows of held-out text, the units of the intervals of perplexities."""
    n_tokens: int
    """Tokens predicted in them."""
    text: str
    """Where the held-out text is from."""
    verdict: Verdict
    """Whether it steers."""
    limits: Limits
    """What usable doses are held against."""
    usable: Usable
    """Between which doses it can be used."""
    seed: int | None
    """Seed of the random directions and of the bootstrap."""

    def findings(self) -> tuple[Finding, ...]:
        """For each dose the gain of the promoted tokens and the price in perplexity, beside the strongest control."""
        return tuple(one for place in range(len(self.treated.doses)) for one in self._findings_at(place))

    def _findings_at(self, place: int) -> tuple[Finding, Finding]:
        dose = self.treated.doses[place]
        controls = [arm.doses[place] for arm in self.controls]
        gain = max((one.gain for one in controls), key=lambda one: one.value, default=None)
        ratio = max((one.perplexity_ratio for one in controls), key=lambda one: one.value, default=None)
        where = f"{self.name} at strength {dose.strength:g}"
        return (
            _finding(f"{where}: rise in probability of its promoted tokens", dose.gain, gain, self.n_prompts, self),
            _finding(f"{where}: perplexity relative to no edit", dose.perplexity_ratio, ratio, self.n_windows, self),
        )


def _finding(claim: str, found: Estimate, control: Estimate | None, n: int, response: DoseResponse) -> Finding:
    return Finding(
        claim=claim,
        value=found.value,
        interval=found.interval,
        n=n,
        control=control.value if control else None,
        control_interval=control.interval if control else None,
        control_name=f"the largest of {len(response.controls)} random directions of the same norm",
        method="tokens chosen on other prompts than they are measured on; each random direction has its own tokens",
        seed=response.seed,
    )


def judge(treated: Arm, controls: Sequence[Arm], *, smallest_gain: float, limit: float) -> Verdict:
    """The verdict from the intervals.

    A dose speaks for the direction when its gain's interval lies above `smallest_gain` and above the intervals of what
    every random direction does at the same strength, both to its own promoted tokens and to this direction's. The
    direction steers when at one of these doses the whole interval of the perplexity ratio lies below 1 + limit.
    """
    speaking = [
        dose
        for place, dose in enumerate(treated.doses)
        if dose.gain.interval[0] > max([smallest_gain, *(_reached(arm.doses[place]) for arm in controls)])
    ]
    cheap = [dose for dose in speaking if dose.perplexity_ratio.interval[1] < 1 + limit]
    if not speaking:
        best = max(treated.doses, key=lambda dose: dose.gain.value)
        reason = (
            f"at no strength is the gain of its tokens ({best.gain.value:+.3f} at best) surely above {smallest_gain:g} "
            "and above that of random directions"
        )
        return Verdict(outcome="does not steer", strength=None, reason=reason)
    best = max(cheap or speaking, key=lambda dose: dose.gain.value)
    place = treated.doses.index(best)
    random = max((arm.doses[place].gain.value for arm in controls), default=0.0)
    numbers = (
        f"at strength {best.strength:g} its tokens gain {best.gain.value:+.3f} (random: {random:+.3f} at most) "
        f"and perplexity is {best.perplexity_ratio.value:.2f} times that without the edit"
    )
    if cheap:
        return Verdict(outcome="steers", strength=best.strength, reason=numbers)
    reason = f"{numbers}; at no strength with a clear gain is it surely below {1 + limit:.2f} times"
    return Verdict(outcome="steers at a cost", strength=best.strength, reason=reason)


def _reached(dose: Dose) -> float:
    """The most that a random direction may have reached at a dose."""
    return max(dose.gain.interval[1], dose.target_gain.interval[1])
