"""Cards: what was measured is said, what was not is said too, and nothing more."""

from dataclasses import replace
from pathlib import Path

import pytest

from hooke.lab import Lab
from hooke.monitors.attacks import AttackConfig
from hooke.monitors.calibrate import calibrated
from hooke.monitors.card import card, forbidden, markdown
from hooke.monitors.cascade import cascade
from hooke.monitors.evaluation import evaluate
from hooke.monitors.fit import FitRecord
from hooke.monitors.redteam import attack
from hooke.monitors.results import save_result, spec_digest
from hooke.monitors.spec import Action, MonitorSpec, save_spec
from hooke.monitors.stream import open_monitor
from hooke.monitors.transcripts import score_texts
from tests.monitors.planted import planted_spec, specimen, texts_of

RECORD = FitRecord(texts="planted", fingerprint="f", form="plain", seed=0, longest=64, was_fitted=True)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, MonitorSpec]:
    """A monitor of which everything was measured, on a specimen."""
    found, folder = specimen(), Path(tmp_path_factory.mktemp("measured"))
    spec, lab = planted_spec(found, found.model, folder)
    monitor = open_monitor(spec, found.model, lab)
    spec = calibrated(spec, [-0.5] * 300, traffic="ordinary texts", fingerprint="f")
    save_spec(lab, spec)
    scored = score_texts(found.model, [monitor, monitor], texts_of(found))
    traffic = [one for one in scored if not one.text.label]
    digest = spec_digest(spec)
    told = evaluate(scored, traffic, threshold=0.25, spec_digest=digest, texts="planted", traffic_name="ordinary texts")
    save_result(lab, spec.name, "fit", RECORD)
    save_result(lab, spec.name, "evaluation", told)
    stages = cascade(scored, traffic, thresholds=(0.25, 0.25), n_products=(256, 256))
    save_result(lab, spec.name, "cascade", stages)
    config = AttackConfig(length=2, steps=1, looks=(0,))
    others = {"it": (monitor, 0.25)}
    attacked = attack(
        found.model, monitor, texts_of(found), threshold=0.25, spec_digest=digest, n=2, config=config, others=others
    )
    save_result(lab, spec.name, "redteam", attacked)
    return lab, spec


def test_all_that_was_measured_is_on_the_card_and_nothing_is_claimed(measured: tuple[Lab, MonitorSpec]) -> None:
    lab, spec = measured
    text = markdown(spec, card(lab, spec))
    for said in ("planted", "100.0%", "at most", "does nothing", "T3", "the same prefix against it", "10.00%"):
        assert said in text, said
    assert "Not measured" not in text
    assert "Not attacked" not in text
    assert "before the monitor was last changed" not in text
    assert forbidden(text) == []


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    found = specimen()
    spec, lab = planted_spec(found, found.model, tmp_path)
    save_spec(lab, spec)
    text = markdown(spec, card(lab, spec))
    for said in ("Not calibrated", "Not measured", "Not attacked", "On any text at all"):
        assert said in text, said
    assert forbidden(text) == []


def test_what_was_measured_before_a_change_is_called_so(measured: tuple[Lab, MonitorSpec]) -> None:
    lab, spec = measured
    changed = replace(spec, action=Action(do="stop"))
    text = markdown(changed, card(lab, changed))
    assert text.count("before the monitor was last changed") == 2


@pytest.mark.parametrize(
    "claim",
    [
        "It complies with the Act.",
        "Certified by hooke.",
        "No deception was there.",
        "The model intends to lie.",
        "It is robust against rewording.",
        "Zero false alarms.",
        "This direction causes refusal.",
        "This proves the log true.",
        "Its accuracy is guaranteed.",
    ],
)
def test_claims_that_nothing_here_can_show_are_found(claim: str) -> None:
    assert forbidden(claim)
