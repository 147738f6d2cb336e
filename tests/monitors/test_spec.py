"""Specs: what is saved is read back, and what cannot be is refused."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hooke.directions.pooling import Pooling
from hooke.errors import BadArtefact, BadConfig, UnknownName
from hooke.lab import Lab, write_json
from hooke.monitors.digests import Digests
from hooke.monitors.spec import (
    Action,
    Calibration,
    Certificate,
    MonitorSpec,
    Scorer,
    load_spec,
    monitor_names,
    save_spec,
)

CALIBRATION = Calibration(
    traffic="chats",
    traffic_fingerprint="f",
    certificates={"act": Certificate(threshold=1.5, target=0.01, n=500, n_above=1, upper=0.0094)},
    made=date(2026, 1, 1),
    expires=date(2026, 4, 1),
    probability=((0.0, 0.1), (1.5, 0.8)),
)


def _spec(**more: Any) -> MonitorSpec:
    return MonitorSpec(**({"name": "m", "about": "Something.", "scorers": (Scorer(probe="up"),)} | more))


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    spec = _spec(
        scorers=(Scorer(probe="up", digest="d"), Scorer(features=("embed/3@x", "embed/4@x"), weights=(1.0, -2.0))),
        combine="max",
        pooling=Pooling(how="ema", window=8),
        watch=1.0,
        act=1.5,
        action=Action(do="escalate", second="dearer"),
        on_error="closed",
        valid_for=Digests(model="a", tokenizer="b", template="c", precision="float32"),
        calibration=CALIBRATION,
    )
    save_spec(lab, spec)
    assert load_spec(lab, "m") == spec
    assert spec.dictionaries == ("x",)
    assert monitor_names(lab) == ["m"]


def test_saving_again_keeps_what_lies_beside_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    folder = save_spec(lab, _spec())
    write_json(folder / "evaluation.json", {"n": 1})
    save_spec(lab, _spec(act=2.0))
    assert load_spec(lab, "m").act == 2.0
    assert (folder / "evaluation.json").is_file()


def test_a_calibration_expires() -> None:
    spec = _spec(act=1.5, calibration=CALIBRATION)
    assert not spec.is_expired(date(2026, 4, 1))
    assert spec.is_expired(date(2026, 4, 2))
    assert not spec.uncalibrated().is_expired(date(2030, 1, 1))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"scorers": ()}, "nothing that scores"),
        ({"skip": -1}, "negative"),
        ({"watch": 2.0, "act": 1.0}, "thresholds"),
        ({"act": float("nan")}, "thresholds"),
        ({"pooling": Pooling(how="attention"), "scorers": (Scorer(features=("embed/1@x",)),)}, "attention"),
    ],
)
def test_impossible_specs_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        _spec(**more)


@pytest.mark.parametrize(
    "scorer",
    [
        {},
        {"probe": "up", "features": ("embed/1@x",)},
        {"features": ("embed/1@x",), "weights": (1.0, 2.0)},
        {"features": ("embed/1@x", "embed/1@y")},
        {"features": ("embed/1",)},
    ],
)
def test_impossible_scorers_are_refused(scorer: dict[str, Any]) -> None:
    with pytest.raises(BadConfig):
        Scorer(**scorer)


@pytest.mark.parametrize(
    "action", [{"do": "escalate"}, {"do": "steer"}, {"second": "x"}, {"do": "stop", "recipe": "x"}]
)
def test_incomplete_actions_are_refused(action: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match="not complete"):
        Action(**action)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with pytest.raises(UnknownName):
        load_spec(lab, "m")
    path = save_spec(lab, _spec()) / "config.json"
    path.write_text(path.read_text().replace('"on_error"', '"on_eror"'))
    with pytest.raises(BadConfig, match="on_eror"):
        load_spec(lab, "m")
    path.write_text("[")
    with pytest.raises(BadArtefact):
        load_spec(lab, "m")
