"""What a threshold would do, by the peaks that are kept of texts."""

import math
from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.findings import share_interval
from hooke.lab import Lab
from hooke.monitors.operating import KnownPeaks, known_peaks, operating_point
from hooke.monitors.results import save_result
from hooke.monitors.spec import MonitorSpec, Scorer, save_spec
from hooke.monitors.traffic import Reference
from tests.monitors.planted import planted_spec, specimen, texts_of

KNOWN = KnownPeaks(
    ordinary=(None, *(float(one) for one in range(9))),
    ordinary_name="ordinary texts",
    is_unseen=True,
    concept=(5.0, 8.0, 9.0, None),
    without=(1.0,),
    labelled_name="labelled texts",
)


def test_shares_and_a_day_of_alerts():
    found = operating_point(KNOWN, 6.5, per_day=1000.0, prevalence=0.1)
    assert found.false_alarms is not None
    assert (found.false_alarms.value, found.false_alarms.n) == (0.2, 10), "7 and 8; what was not judged is not flagged"
    assert found.false_alarms.interval == share_interval(0.2, 10)
    assert found.recall is not None
    assert (found.recall.value, found.recall.n) == (0.5, 4)
    assert found.wrong is not None
    assert found.wrong.value == pytest.approx(900 * 0.2)
    assert found.alerts is not None
    assert found.alerts.value == pytest.approx(900 * 0.2 + 100 * 0.5)
    assert found.alerts.low < found.alerts.value < found.alerts.high
    assert found.precision is not None
    assert found.precision.value == pytest.approx(50 / 230)
    assert found.precision.low is not None
    assert found.precision.low < 50 / 230


def test_a_threshold_is_not_reached_by_what_equals_it():
    found = operating_point(KNOWN, 8.0, per_day=1.0, prevalence=0.0)
    assert found.false_alarms is not None
    assert found.false_alarms.value == 0.0
    assert "takes 2,995" in found.too_few


def test_what_was_not_measured_is_not_reckoned():
    nothing = KnownPeaks(ordinary=(), ordinary_name="", is_unseen=False, concept=(), without=(), labelled_name="")
    found = operating_point(nothing, 0.0, per_day=10.0, prevalence=0.5)
    assert found.false_alarms is found.recall is found.alerts is found.precision is None
    assert found.too_few == ""
    with pytest.raises(BadRequest, match="no such traffic"):
        operating_point(KNOWN, 0.0, per_day=10.0, prevalence=1.5)


def test_an_evaluations_texts_go_before_those_of_the_calibration(tmp_path: Path):
    from hooke.monitors.evaluation import evaluate
    from hooke.monitors.stream import open_monitor
    from hooke.monitors.transcripts import score_texts

    planted = specimen()
    spec, lab = planted_spec(planted, planted.model, tmp_path)
    save_spec(lab, spec)
    save_result(lab, spec.name, "traffic", Reference.of("corpus", [0.5, -math.inf]))
    before = known_peaks(lab, spec.name)
    assert (before.ordinary, before.is_unseen) == ((0.5, None), False)
    assert before.ordinary_name == "the 2 documents of corpus it was calibrated on"
    scored = score_texts(planted.model, [open_monitor(spec, planted.model, lab)], texts_of(planted))
    ordinary = [one for one in scored if not one.text.label]
    told = evaluate(scored, ordinary, threshold=0.25, spec_digest="d", texts="planted", traffic_name="other documents")
    save_result(lab, spec.name, "evaluation", told)
    after = known_peaks(lab, spec.name)
    assert (after.is_unseen, after.ordinary_name, after.labelled_name) == (True, "other documents", "planted")
    assert len(after.ordinary) == len(ordinary)
    assert spec.act is not None
    at = operating_point(after, spec.act, per_day=1.0, prevalence=0.5)
    assert at.recall == told.recall
    assert at.false_alarms == told.false_alarms_traffic


def test_a_monitor_of_which_nothing_was_measured(tmp_path: Path):
    lab = Lab(tmp_path)
    save_spec(lab, MonitorSpec(name="bare", about="", scorers=(Scorer(probe="p"),)))
    assert known_peaks(lab, "bare").ordinary_name == ""
