"""What a threshold would do: false alarms, recall, alerts a day, and how many of them would be right.

Shares are of texts that were measured, with their intervals; what is said of a day is those shares on so much traffic.
Nothing is fitted: any threshold can be asked for, also one that nobody has calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hooke.directions.low_rates import negatives_needed
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.monitors.evaluation import Evaluation, Precision, Share, precision, share_of
from hooke.monitors.results import load_result
from hooke.monitors.traffic import Reference


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPeaks:
    """The peaks that thresholds are asked of."""

    ordinary: tuple[float | None, ...]
    """Of ordinary texts; None where nothing was judged."""
    ordinary_name: str
    """Which texts these are; empty where there are none."""
    is_unseen: bool
    """Whether the calibration has not seen them; else its own thresholds look better on them than they are."""
    concept: tuple[float | None, ...]
    """Of labelled texts with the concept."""
    without: tuple[float | None, ...]
    """Of labelled texts without it."""
    labelled_name: str
    """Which texts these are; empty where there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A number of alerts that is to be expected."""

    value: float
    """At the shares as measured."""
    low: float
    """At the lower ends of their intervals."""
    high: float
    """At the upper ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatingPoint:
    """What one threshold does."""

    threshold: float
    """Above which a text is flagged."""
    false_alarms: Share | None
    """Share of ordinary texts that are flagged; None where none were measured."""
    recall: Share | None
    """Share of texts with the concept that are."""
    per_day: float
    """Requests a day."""
    prevalence: float
    """Share of them with the concept."""
    alerts: Expected | None
    """Alerts a day, right and wrong."""
    wrong: Expected | None
    """Of these, those about requests without the concept."""
    precision: Precision | None
    """What share of alerts is right."""
    too_few: str
    """Why nothing is said of a rate as low as this one; empty where enough texts were measured."""


def known_peaks(lab: Lab, name: str) -> KnownPeaks:
    """The peaks that are kept of a monitor: those of its evaluation, and ordinary ones of its calibration else.

    Raises:
        UnknownName, BadArtefact, BadConfig: see `load_result`.
    """
    evaluation, reference = (
        load_result(lab, name, "evaluation", Evaluation),
        load_result(lab, name, "traffic", Reference),
    )
    peaks = None if evaluation is None else evaluation.peaks
    is_unseen = peaks is not None and bool(peaks.ordinary)
    seen = "" if reference is None else f"the {reference.n:,} documents of {reference.corpus} it was calibrated on"
    return KnownPeaks(
        ordinary=peaks.ordinary if peaks is not None and is_unseen else () if reference is None else reference.peaks,
        ordinary_name=evaluation.traffic if evaluation is not None and is_unseen else seen,
        is_unseen=is_unseen,
        concept=() if peaks is None else peaks.concept,
        without=() if peaks is None else peaks.without,
        labelled_name="" if evaluation is None or peaks is None else evaluation.texts,
    )


def operating_point(known: KnownPeaks, threshold: float, *, per_day: float, prevalence: float) -> OperatingPoint:
    """What a threshold does, on so much traffic.

    Raises:
        BadRequest: the traffic or the prevalence is impossible.
    """
    if not (0 <= prevalence <= 1 and per_day >= 0):
        raise BadRequest(
            "There is no such traffic.",
            f"{per_day:g} requests a day, a share of {prevalence:g} with the concept.",
            "Give 0 or more requests, and a share from 0 to 1.",
        )
    alarms, recall = _above(known.ordinary, threshold), _above(known.concept, threshold)
    wrong = None if alarms is None else _expected((1 - prevalence) * per_day, alarms)
    right = None if recall is None else _expected(prevalence * per_day, recall)
    return OperatingPoint(
        threshold=threshold,
        false_alarms=alarms,
        recall=recall,
        per_day=per_day,
        prevalence=prevalence,
        alerts=None if wrong is None or right is None else _sum(wrong, right),
        wrong=wrong,
        precision=None if alarms is None or recall is None else precision(prevalence, recall, alarms),
        too_few=_too_few(alarms),
    )


def _above(peaks: Sequence[float | None], threshold: float) -> Share | None:
    return share_of(sum(one is not None and one > threshold for one in peaks), len(peaks)) if peaks else None


def _expected(n: float, share: Share) -> Expected:
    return Expected(value=n * share.value, low=n * share.interval[0], high=n * share.interval[1])


def _sum(one: Expected, other: Expected) -> Expected:
    return Expected(value=one.value + other.value, low=one.low + other.low, high=one.high + other.high)


def _too_few(alarms: Share | None) -> str:
    least = negatives_needed(0.001)
    if alarms is None or alarms.n >= least or alarms.value >= 0.01:
        return ""
    return f"A rate of 0.1 % cannot be shown on {alarms.n:,} ordinary texts: it takes {least:,} with none flagged."
