"""A monitor measured on what it has not seen."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hooke.directions.splits import split_by_group
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.monitors.fit import FitRecord, labelled_texts
from hooke.monitors.measure import measure, unseen
from hooke.monitors.results import save_result
from hooke.monitors.spec import MonitorSpec, save_spec
from hooke.monitors.traffic import Reference
from hooke.specimens.planted import Specimen
from tests.monitors.planted import planted_spec, specimen, texts_of


def _prepared(folder: Path) -> tuple[Specimen, Lab, MonitorSpec, FitRecord]:
    found = specimen()
    spec, lab = planted_spec(found, found.model, folder / "lab")
    save_spec(lab, spec)
    rows = [{"text": one.text, "label": one.label, "group": one.group} for one in texts_of(found)]
    (folder / "labelled.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "traffic.jsonl").write_text("\n".join(json.dumps({"text": one.text}) for one in texts_of(found)))
    record = FitRecord(
        texts=str(folder / "labelled.jsonl"), fingerprint="", form="plain", seed=0, longest=32, was_fitted=True
    )
    return found, lab, spec, record


def test_texts_that_were_fitted_on_are_left_out(tmp_path: Path) -> None:
    *_, record = _prepared(tmp_path)
    fit, test = unseen(record)
    assert {one.group for one in fit}.isdisjoint({one.group for one in test})
    assert unseen(replace(record, was_fitted=False))[0] == ()
    assert len(unseen(replace(record, was_fitted=False))[1]) == 24


def test_of_a_given_probe_with_evidence_what_it_was_confirmed_on_is_left(tmp_path: Path) -> None:
    *_, record = _prepared(tmp_path)
    rows = [
        {"text": f"{label} {at}", "label": label, "group": str(at % 8)} for at in range(12) for label in (True, False)
    ]
    Path(record.texts).write_text("\n".join(map(json.dumps, rows)))
    split = split_by_group(labelled_texts(record.texts, "plain"), seed=3)
    given = replace(record, was_fitted=False, seed=3, confirmation=split.fingerprint)
    fit, test = unseen(given)
    assert len(test) == len(split.confirmation) < 24 == len(fit) + len(test)
    assert {one.group for one in fit}.isdisjoint({one.group for one in test})
    with pytest.raises(BadRequest, match="other texts"):
        unseen(replace(given, seed=4))


def test_the_planted_monitor_is_right_and_its_controls_are_not(tmp_path: Path) -> None:
    found, lab, spec, record = _prepared(tmp_path)
    with pytest.raises(BadRequest, match="no thresholds"):
        measure(found.model, lab, spec, record)
    save_result(lab, spec.name, "traffic", Reference(corpus=str(tmp_path / "traffic.jsonl"), n=12, peaks=()))
    told, stages = measure(found.model, lab, spec, record, n_documents=12, n_controls=5, second=spec)
    assert (told.recall.value, told.false_alarms_labelled.value) == (1.0, 0.0)
    assert told.false_alarms_traffic is not None
    assert (told.false_alarms_traffic.n, told.false_alarms_traffic.value) == (12, 0.0)
    own, drawn, words = told.areas
    assert own.value == 1.0 > drawn.interval[0]
    assert words.value == 1.0
    assert stages is not None
    assert stages.recall is not None
    assert stages.recall.value == 1.0
