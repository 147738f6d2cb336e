"""A monitor under attack, and what is said of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from hooke.errors import BadRequest
from hooke.monitors.attacks import AttackConfig, Look
from hooke.monitors.evaluation import Share
from hooke.monitors.redteam import Curve, Family, RedTeam, attack, joined, target_of
from hooke.monitors.rewriting import FAMILIES
from hooke.monitors.stream import OpenMonitor, open_monitor
from tests.monitors.planted import planted_spec, specimen, texts_of

SHORT = AttackConfig(length=4, steps=20, looks=(0,), lr=0.5, weight=0.0)


def _opened(folder: Path) -> tuple[OpenMonitor, float]:
    found = specimen()
    spec, lab = planted_spec(found, found.model, folder)
    return open_monitor(spec, found.model, lab), spec.act or 0.0


def test_a_planted_monitor_fires_on_the_planted_texts_and_not_in_the_twin(tmp_path: Path) -> None:
    found = specimen()
    texts = texts_of(found)
    for model, recall in ((found.model, 1.0), (found.twin, 0.0)):
        spec, lab = planted_spec(found, model, tmp_path / model.name)
        told = attack(model, open_monitor(spec, model, lab), texts, threshold=0.25, spec_digest="d", levels=())
        assert (told.as_they_are.recall.value, told.as_they_are.false_alarms.value) == (recall, 0.0)


def test_rewordings_and_prefixes_stand_beside_doing_nothing(tmp_path: Path) -> None:
    found = specimen()
    monitor, threshold = _opened(tmp_path)
    others = {"the same": (monitor, threshold), "deaf": (monitor, 1e9)}
    told = attack(
        found.model,
        monitor,
        texts_of(found),
        threshold=threshold,
        spec_digest="d",
        levels=("T0", "T3"),
        n=6,
        config=SHORT,
        others=others,
    )
    assert {one.name for one in told.families} == set(FAMILIES)
    recalls = [one.recall.value for one in told.families]
    assert recalls == sorted(recalls)
    assert told.nothing is not None
    assert told.nothing.caught == told.nothing.n == 6
    (curve,) = told.curves
    assert (curve.level, curve.looks[0].caught, curve.looks[-1].caught) == ("T3", 6, 0)
    assert {name: one.caught for name, one in curve.transfer.items()} == {"the same": 0, "deaf": 0}
    assert {name: one.caught for name, one in curve.untouched.items()} == {"the same": 6, "deaf": 0}
    assert "T3" in told.broken_by
    unbroken = replace(told, families=(), curves=(replace(curve, looks=curve.looks[:1]),))
    assert unbroken.broken_by == ()


def _look(caught: int, n: int = 2) -> Look:
    return Look(step=0, n=n, caught=caught, behaves=n, kl=0.0, peak=0.0, norm=0.0)


def test_what_other_attacks_found_before_is_kept_where_it_is_of_the_same() -> None:
    share = Share(value=1.0, interval=(0.5, 1.0), n=2)
    family = Family(name="as they are", recall=share, false_alarms=share)
    bare = RedTeam(spec_digest="d", threshold=1.0, families=(), as_they_are=family, nothing=None, curves=())
    three = replace(bare, nothing=_look(2), curves=(Curve(level="T3", looks=(_look(1),), transfer={}),))
    two = replace(bare, nothing=_look(2), curves=(Curve(level="T2", looks=(_look(0),), transfer={}),))
    found = joined(three, two)
    assert [one.level for one in found.curves] == ["T2", "T3"]
    assert joined(found, bare) == found
    assert joined(found, replace(bare, families=(family,))).families == (family,)
    for other in (replace(two, threshold=2.0), replace(two, spec_digest="e"), replace(two, nothing=_look(1))):
        assert [one.level for one in joined(three, other).curves] == ["T2"]
    assert joined(None, bare) == bare


def test_what_cannot_be_attacked_is_refused(tmp_path: Path) -> None:
    found = specimen()
    monitor, threshold = _opened(tmp_path)
    texts = texts_of(found)
    with pytest.raises(BadRequest, match="T9"):
        attack(found.model, monitor, texts, threshold=threshold, spec_digest="d", levels=("T9",))
    with pytest.raises(BadRequest, match="both labels"):
        attack(found.model, monitor, [one for one in texts if one.label], threshold=threshold, spec_digest="d")
    with pytest.raises(BadRequest, match="with the concept"):
        target_of(found.model, monitor, [], threshold, n=2)
