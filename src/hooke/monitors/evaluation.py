"""How often a monitor is right, slice by slice, the worst first, and what that means where the thing is rare."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hooke.directions.low_rates import negatives_needed, precision_at
from hooke.findings import Interval, area_under_curve, share_interval
from hooke.monitors.transcripts import Scored

PREVALENCES = (0.1, 0.01, 0.001, 0.0001)
_LENGTHS = ((0, 31, "under 32 tokens"), (32, 127, "32 to 127 tokens"), (128, math.inf, "128 tokens or more"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A share of texts, with its 95 % interval."""

    value: float
    """The share."""
    interval: Interval
    """Its interval (Wilson)."""
    n: int
    """Texts."""


def share_of(n: int, of: int) -> Share:
    """So many of one or more texts."""
    return Share(value=n / of, interval=share_interval(n / of, of), n=of)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """Texts that have something in common."""

    kind: str
    """source, style, language, length or near."""
    name: str
    """Which."""
    recall: Share | None
    """Share of texts with the concept that were flagged; None where there are none."""
    false_alarms: Share | None
    """Share of texts without it that were flagged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Precision:
    """What share of flags is right, where a share of texts has the concept."""

    prevalence: float
    """That share."""
    value: float | None
    """Share of flags that are right; None where nothing is ever flagged."""
    low: float | None
    """At the lower end of recall and the upper end of false alarms."""
    high: float | None
    """The other way round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """How well scores part the labelled texts, whatever the threshold."""

    name: str
    """Whose scores."""
    value: float
    """Chance that a text with the concept scores higher than one without."""
    interval: Interval
    """95 % interval; over several random directions, that of their values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Peaks:
    """The peak of each text that was measured, for asking of other thresholds; None where nothing was judged."""

    concept: tuple[float | None, ...]
    """Labelled texts with the concept."""
    without: tuple[float | None, ...]
    """Labelled texts without it."""
    ordinary: tuple[float | None, ...]
    """Ordinary texts, others than those of the calibration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What was measured of a monitor."""

    spec_digest: str
    """Of the spec that was measured."""
    threshold: float
    """Above which a text was flagged."""
    texts: str
    """On which labelled texts."""
    traffic: str
    """On which ordinary texts, other ones than those of the calibration."""
    recall: Share
    """Over all labelled texts with the concept."""
    false_alarms_labelled: Share
    """Over all labelled texts without it."""
    false_alarms_traffic: Share | None
    """Over all ordinary texts."""
    slices: tuple[Slice, ...]
    """Slice by slice, worst first: the most false alarms at the upper end, then the least recall at the lower end."""
    areas: tuple[Area, ...]
    """The monitor's own, then its controls'."""
    precisions: tuple[Precision, ...]
    """At this recall, and the false alarms on ordinary texts."""
    not_estimable: tuple[str, ...] = ()
    """What there were too few texts for."""
    peaks: Peaks | None = None
    """Of the texts; None in files of before they were kept."""

    @property
    def worst_source(self) -> Slice | None:
        """The source with the largest share of false alarms; of equal ones that whose bound is highest."""
        found = [(one.false_alarms.value, _alarm_bound(one), at) for at, one in enumerate(self.slices)
                 if one.kind == "source" and one.false_alarms is not None]  # fmt: skip
        return self.slices[max(found)[2]] if found else None


def evaluate(
    labelled: Sequence[Scored],
    traffic: Sequence[Scored],
    *,
    threshold: float,
    spec_digest: str,
    texts: str,
    traffic_name: str,
    controls: Sequence[Area] = (),
    target: float = 0.01,
    at: int = 0,
) -> Evaluation:
    """Error rates of the monitor whose peaks stand at `at`."""

    def flagged(one: Scored) -> bool:
        return one.peaks[at] > threshold

    slices = [
        _slice(kind, name, rows, flagged)
        for kind, key in _KINDS.items()
        for name, rows in _by(key, [*labelled, *traffic] if kind in ("source", "length", "language") else labelled)
    ]
    recall, alarms = (_share([one for one in labelled if one.text.label is label], flagged) for label in (True, False))
    assert recall is not None
    assert alarms is not None
    ordinary = _share(traffic, flagged)
    area, interval = area_of(labelled, at)
    own = Area(name="the monitor", value=area, interval=interval)
    return Evaluation(
        spec_digest=spec_digest,
        threshold=threshold,
        texts=texts,
        traffic=traffic_name,
        recall=recall,
        false_alarms_labelled=alarms,
        false_alarms_traffic=ordinary,
        slices=tuple(sorted(slices, key=lambda one: (-_alarm_bound(one), _recall_bound(one)))),
        areas=(own, *controls),
        precisions=tuple(precision(one, recall, ordinary or alarms) for one in PREVALENCES),
        not_estimable=_too_few(traffic, target),
        peaks=Peaks(
            concept=_peaks((one for one in labelled if one.text.label is True), at),
            without=_peaks((one for one in labelled if one.text.label is False), at),
            ordinary=_peaks(traffic, at),
        ),
    )


def _peaks(scored: Iterable[Scored], at: int) -> tuple[float | None, ...]:
    return tuple(one.peaks[at] if math.isfinite(one.peaks[at]) else None for one in scored)


def _too_few(traffic: Sequence[Scored], target: float) -> tuple[str, ...]:
    least = negatives_needed(target)
    small = [(name, len(rows)) for name, rows in _by(_KINDS["source"], traffic) if len(rows) < least]
    return tuple(
        f"Whether at most {target:.1%} of '{name}' is flagged: {n} texts, it takes {least} with none flagged."
        for name, n in small
    )


def area_of(labelled: Sequence[Scored], at: int) -> tuple[float, Interval]:
    """How well the peaks of one monitor part the labelled texts."""
    peaks = np.array([one.peaks[at] for one in labelled])
    labels = np.array([bool(one.text.label) for one in labelled])
    return area_under_curve(peaks[labels], peaks[~labels])


def precision(prevalence: float, recall: Share, false_alarms: Share) -> Precision:
    """What share of flags is right, where this share of texts has the concept."""
    ends = [
        precision_at(prevalence, hit, alarm)
        for hit, alarm in (
            (recall.value, false_alarms.value),
            (recall.interval[0], false_alarms.interval[1]),
            (recall.interval[1], false_alarms.interval[0]),
        )
    ]
    value, low, high = (None if math.isnan(one) else one for one in ends)
    return Precision(prevalence=prevalence, value=value, low=low, high=high)


def _length(one: Scored) -> str:
    return next(name for low, high, name in _LENGTHS if low <= one.n_tokens <= high)


_KINDS: dict[str, Callable[[Scored], str]] = {
    "source": lambda one: one.text.source,
    "style": lambda one: one.text.style,
    "language": lambda one: one.text.language if one.text.label is not None else "",
    "length": _length,
    "near": lambda one: "looks like the other label" if one.text.is_near else "",
}


def _by(key: Callable[[Scored], str], scored: Sequence[Scored]) -> list[tuple[str, list[Scored]]]:
    found: dict[str, list[Scored]] = {}
    for one in scored:
        if key(one):
            found.setdefault(key(one), []).append(one)
    return sorted(found.items())


def _slice(kind: str, name: str, rows: Sequence[Scored], flagged: Callable[[Scored], bool]) -> Slice:
    return Slice(
        kind=kind,
        name=name,
        recall=_share([one for one in rows if one.text.label is True], flagged),
        false_alarms=_share([one for one in rows if one.text.label is not True], flagged),
    )


def _share(rows: Sequence[Scored], flagged: Callable[[Scored], bool]) -> Share | None:
    return share_of(sum(map(flagged, rows)), len(rows)) if rows else None


def _alarm_bound(one: Slice) -> float:
    return one.false_alarms.interval[1] if one.false_alarms is not None else -1.0


def _recall_bound(one: Slice) -> float:
    return one.recall.interval[0] if one.recall is not None else 2.0
