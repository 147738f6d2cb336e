"""Monitors over HTTP: listed, shown with what was measured, asked for other thresholds, and run over texts."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import httpx
import pytest

from hooke.directions.pooling import Pooling
from hooke.models.load import load
from hooke.monitors.attacks import Look
from hooke.monitors.calibrate import calibrated
from hooke.monitors.evaluation import evaluate
from hooke.monitors.redteam import Curve, Family, RedTeam
from hooke.monitors.results import save_result, spec_digest
from hooke.monitors.spec import MonitorSpec, save_spec
from hooke.monitors.stream import open_monitor
from hooke.monitors.traffic import Reference
from hooke.monitors.transcripts import Text, score_texts
from tests.cli.tiny_lab import TinyLab
from tests.monitors.made import spec_of
from tests.server.tiny_server import Microscope

TEXTS = ["The bridge over the river.", "A cat sat on the mat there.", "El puente sobre el rio.", "def f(x): return x"]


@pytest.fixture(scope="module")
def measured(server_lab: TinyLab) -> Iterator[MonitorSpec]:
    """A monitor of the tiny model of which all was measured, an expired one, and one that cannot be read."""
    lab, model = server_lab.lab, load(server_lab.model, lab=server_lab.lab)
    spec = spec_of(model, lab, pooling=Pooling(how="last"))
    texts = [Text(text=one, label=at % 2 == 0, source="made") for at, one in enumerate(TEXTS)]
    scored = score_texts(model, [open_monitor(spec, model, lab)], texts)
    middle = sorted(one.peaks[0] for one in scored)[1]
    spec = calibrated(spec, [middle] * 300, traffic="made texts", fingerprint="f")
    save_spec(lab, spec)
    digest = spec_digest(spec)
    told = evaluate(scored, scored[1::2], threshold=middle, spec_digest=digest, texts="made", traffic_name="made texts")
    save_result(lab, spec.name, "evaluation", told)
    save_result(lab, spec.name, "traffic", Reference.of("made", [middle] * 300))
    family = Family(name="as they are", recall=told.recall, false_alarms=told.false_alarms_labelled)
    look = Look(step=0, n=4, caught=1, behaves=4, kl=0.0, peak=float("nan"), norm=0.0)
    attacked = RedTeam(
        spec_digest="another", threshold=middle, families=(), as_they_are=family, nothing=look,
        curves=(Curve(level="T3", looks=(look,), transfer={}),),
    )  # fmt: skip
    save_result(lab, spec.name, "redteam", attacked)
    assert spec.calibration is not None
    old = replace(spec, name="old", calibration=replace(spec.calibration, expires=date(2020, 1, 1)))
    save_spec(lab, old)
    broken = lab.path("monitors", "broken")
    broken.mkdir(parents=True)
    (broken / "config.json").write_text(json.dumps({"name": "broken"}))
    yield spec
    for name in (spec.name, "old", "broken"):
        for file in lab.path("monitors", name).iterdir():
            file.unlink()
        lab.path("monitors", name).rmdir()


def test_all_are_listed_and_none_looks_better_than_it_is(api: httpx.Client, measured: MonitorSpec):
    found = {one["name"]: one for one in api.get("/api/monitors").json()["items"]}
    assert [found[name]["state"] for name in ("upward", "old", "broken")] == ["calibrated", "expired", "damaged"]
    assert found["broken"]["problem"]
    upward = found["upward"]
    assert (upward["watch"], upward["act"]) == (measured.watch, measured.act)
    assert upward["model"] == "tiny-model"
    assert (upward["attacked"], found["old"]["attacked"]) == (True, False)
    assert upward["recall"]["n"] == 2
    assert spec_digest(measured).startswith(upward["version"])


def test_one_is_shown_with_all_that_was_measured(api: httpx.Client, measured: MonitorSpec):
    found = api.get("/api/monitors/upward").json()
    assert found["traffic"] == "made texts"
    assert found["certificates"]["act"]["n"] == 300
    assert len(found["peaks"]["ordinary"]) == len(found["peaks"]["without"]) == 2
    assert found["peaks"]["is_unseen"]
    assert found["slices"]
    assert {one["title"] for one in found["card"]} >= {"Thresholds", "Under attack"}
    attack = found["attack"]
    assert not attack["is_current"], "it is another spec that was attacked"
    assert attack["nothing"]["caught"]["value"] == 0.25
    assert attack["curves"][0]["points"][0]["peak"] is None
    assert api.get("/api/monitors/old").json()["attack"] is None
    assert api.get("/api/monitors/upwrad").status_code == 404
    assert api.get("/api/monitors/broken").status_code == 400


def test_another_threshold_is_asked_for(api: httpx.Client, measured: MonitorSpec):
    def at(threshold: float, **more: float) -> dict:
        answer = api.get("/api/monitors/upward/at", params={"threshold": threshold, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    everything, nothing = at(-1e9, per_day=100, prevalence=0.5), at(1e9, per_day=100, prevalence=0.5)
    assert (everything["recall"]["value"], everything["alerts"]["value"]) == (1.0, 100.0)
    assert (nothing["recall"]["value"], nothing["alerts"]["value"], nothing["precision"]["value"]) == (0.0, 0.0, None)
    assert everything["precision"]["value"] == 0.5
    refused = api.get("/api/monitors/upward/at", params={"threshold": "nan"})
    assert refused.status_code == 400
    assert api.get("/api/monitors/upward/at", params={"threshold": 0, "prevalence": 2}).status_code == 422


def test_a_text_is_scored_token_by_token(api: httpx.Client, measured: MonitorSpec):
    answer = api.post("/api/monitors/upward/score", json={"text": TEXTS[0]})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert len(found["tokens"]) == len(found["scores"]) == len(found["levels"]) == found["n_prompt"]
    assert found["scores"][0] is None, "the first token never counts"
    judged = [one for one in found["scores"] if one is not None]
    assert found["peak"] == max(judged)
    assert measured.act is not None
    assert (found["level"] == "act") == (max(judged) > measured.act)
    places = [at for at, one in enumerate(found["levels"]) if one == "act"]
    assert found["act_at"] == (places[0] if places else None)


def test_what_cannot_be_scored_is_refused_in_words(api: httpx.Client, measured: MonitorSpec, microscope: Microscope):
    assert api.post("/api/monitors/upward/score", json={}).status_code == 400
    assert api.post("/api/monitors/upward/score", json={"text": "a", "prompt": "b"}).status_code == 400
    expired = api.post("/api/monitors/old/score", json={"text": TEXTS[0]})
    assert expired.status_code == 422
    assert "expired" in expired.json()["title"]
    assert api.post("/api/monitors/old/score", json={"text": TEXTS[0], "force": True}).status_code == 200
