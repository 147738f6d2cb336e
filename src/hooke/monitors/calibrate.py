"""Thresholds by what ordinary traffic scores: an order statistic, with a bound on what it will let through.

The threshold is the smallest score of which it can be said, at the confidence asked for, that no more than the target
share of ordinary texts is above it. How many texts that takes is a matter of counting: 299 for 1 %, 2,995 for 0.1 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sklearn.isotonic import IsotonicRegression

from hooke.directions.low_rates import SURE, negatives_needed, threshold_at, upper_bound
from hooke.errors import BadRequest
from hooke.monitors.spec import Calibration, Certificate, MonitorSpec

DAYS = 90
"""Days for which a calibration is taken, unless told."""
TARGETS = {"watch": 0.05, "act": 0.01}
"""Share of ordinary texts that may be above each level, unless told."""


def certify(peaks: Sequence[float], target: float) -> Certificate:
    """The smallest threshold whose bound is at or under the target.

    Raises:
        BadRequest: there are too few texts for that, whatever the threshold, or none was judged.
    """
    if not 0 < target < 1:
        raise BadRequest(f"A share of {target} cannot be.", "", "It is between 0 and 1.")
    n = len(peaks)
    threshold = threshold_at(np.array(peaks), target)
    if threshold is None:
        raise BadRequest(
            f"{n:,} ordinary texts cannot show that at most {target:.2%} are above a threshold.",
            f"It takes {negatives_needed(target):,}, with none above.",
            "Give more ordinary texts, or a larger share.",
        )
    if math.isinf(threshold):
        raise BadRequest("Too few of these texts were judged.", "Most are too short.", "Give longer ones.")
    n_above = sum(one > threshold for one in peaks)
    upper = upper_bound(n_above, n)
    return Certificate(threshold=threshold, target=target, n=n, n_above=n_above, upper=upper, confidence=SURE)


def calibrated(
    spec: MonitorSpec,
    peaks: Sequence[float],
    *,
    traffic: str,
    fingerprint: str,
    targets: Mapping[str, float] = TARGETS,
    labelled: Sequence[tuple[float, bool]] = (),
    labelled_name: str = "",
    days: int = DAYS,
    today: date | None = None,
) -> MonitorSpec:
    """A monitor with thresholds that were set on the peaks of ordinary texts.

    Args:
        labelled: peaks of texts with their labels, for turning scores into chances; none of them may be in a test.

    Raises:
        BadRequest: see `certify`.
    """
    today = today or datetime.now(UTC).date()
    certificates = {level: certify(peaks, target) for level, target in targets.items()}
    calibration = Calibration(
        traffic=traffic,
        traffic_fingerprint=fingerprint,
        certificates=certificates,
        made=today,
        expires=today + timedelta(days=days),
        probability=chances(labelled) if labelled else (),
        probability_note=f"{len(labelled)} texts of {labelled_name}" if labelled else "",
    )
    watch, act = (certificates[level].threshold if level in certificates else None for level in ("watch", "act"))
    return replace(spec, watch=watch, act=act, calibration=calibration)


def chances(labelled: Sequence[tuple[float, bool]]) -> tuple[tuple[float, float], ...]:
    """Points of the rising map from peak to the share of texts with the concept (isotonic regression)."""
    judged = [(peak, label) for peak, label in labelled if math.isfinite(peak)]
    peaks, labels = np.array([one for one, _ in judged]), np.array([float(one) for _, one in judged])
    found = IsotonicRegression(y_min=0, y_max=1).fit(peaks, labels)
    return tuple((float(x), float(y)) for x, y in zip(found.X_thresholds_, found.y_thresholds_, strict=True))


def chance(points: Sequence[tuple[float, float]], peak: float) -> float:
    """The chance that belongs to a peak."""
    return float(np.interp(peak, [x for x, _ in points], [y for _, y in points]))
