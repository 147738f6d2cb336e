"""Two stages: what they catch, and what they cost."""

import pytest

from hooke.errors import BadRequest
from hooke.monitors.cascade import cascade
from hooke.monitors.transcripts import Scored, Text


def _scored(peaks: list[tuple[float, float]], n_tokens: int = 10, *, label: bool | None = None) -> list[Scored]:
    return [Scored(text=Text(text="", label=label), n_tokens=n_tokens, peaks=one) for one in peaks]


def test_both_must_flag_and_the_second_is_paid_for_what_it_reads() -> None:
    labelled = _scored([(2.0, 2.0), (2.0, 0.0), (0.0, 2.0)], label=True) + _scored([(2.0, 2.0)], label=False)
    traffic = _scored([(2.0, 0.0)], 30) + _scored([(0.0, 2.0), (0.0, 0.0), (2.0, 2.0)])
    found = cascade(labelled, traffic, thresholds=(1.0, 1.0), n_products=(100, 1000))
    assert found.recall is not None
    assert found.recall_first is not None
    assert found.recall_second is not None
    shares = (found.recall, found.recall_first, found.recall_second)
    assert [one.value for one in shares] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert (found.escalated.value, found.false_alarms.value, found.false_alarms_second.value) == (0.5, 0.25, 0.5)
    assert (found.cost, found.cost_second_on_all) == (100 + 1000 * 40 / 60, 1000)


def test_without_traffic_it_is_refused_and_without_labels_there_is_no_recall() -> None:
    with pytest.raises(BadRequest, match="ordinary traffic"):
        cascade([], [], thresholds=(1.0, 1.0), n_products=(1, 1))
    assert cascade([], _scored([(0.0, 0.0)]), thresholds=(1.0, 1.0), n_products=(1, 1)).recall is None
