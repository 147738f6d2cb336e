"""Two stages: a cheap monitor on all traffic, a dearer one on what it flags. What that catches, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from hooke.errors import BadRequest
from hooke.findings import share_interval
from hooke.monitors.evaluation import Share
from hooke.monitors.transcripts import Scored


@dataclass(frozen=True, kw_only=True, slots=True)
class Cascade:
    """What two stages do together, beside each alone."""

    escalated: Share
    """Share of ordinary texts that reach the second stage."""
    cost: float
    """Multiply-adds of an ordinary token on average."""
    cost_second_on_all: float
    """The same, were the second stage asked about everything."""
    recall: Share | None
    """Share of texts with the concept that both flag; None where there are none."""
    recall_first: Share | None
    """By the first alone."""
    recall_second: Share | None
    """By the second alone."""
    false_alarms: Share
    """Share of ordinary texts that both flag."""
    false_alarms_first: Share
    """By the first alone."""
    false_alarms_second: Share
    """By the second alone."""


def cascade(
    labelled: Sequence[Scored],
    traffic: Sequence[Scored],
    *,
    thresholds: tuple[float, float],
    n_products: tuple[int, int],
) -> Cascade:
    """Two monitors, whose peaks stand at 0 and 1, as stages.

    Raises:
        BadRequest: there is no ordinary traffic.
    """
    if not traffic:
        raise BadRequest("A cascade is measured on ordinary traffic.", "There is none.", "Give a corpus.")
    positive = [one for one in labelled if one.text.label is True]
    first, second = n_products
    escalated = _share(traffic, thresholds, (0,))
    n_tokens = sum(one.n_tokens for one in traffic)
    n_again = sum(one.n_tokens for one in traffic if one.peaks[0] > thresholds[0])
    return Cascade(
        escalated=escalated,
        # The second stage reads a flagged text from its beginning.
        cost=first + second * n_again / n_tokens,
        cost_second_on_all=float(second),
        recall=_share(positive, thresholds, (0, 1)) if positive else None,
        recall_first=_share(positive, thresholds, (0,)) if positive else None,
        recall_second=_share(positive, thresholds, (1,)) if positive else None,
        false_alarms=_share(traffic, thresholds, (0, 1)),
        false_alarms_first=escalated,
        false_alarms_second=_share(traffic, thresholds, (1,)),
    )


def _share(rows: Sequence[Scored], thresholds: tuple[float, float], stages: tuple[int, ...]) -> Share:
    value = sum(all(one.peaks[at] > thresholds[at] for at in stages) for one in rows) / len(rows)
    return Share(value=value, interval=share_interval(value, len(rows)), n=len(rows))
