from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from hooke.lab import Lab
from hooke.monitors.attacks import Look
from hooke.monitors.digests import Digests
from hooke.monitors.evaluation import Share
from hooke.monitors.redteam import Curve, Family, RedTeam
from hooke.monitors.results import save_result, spec_digest
from hooke.monitors.spec import Action, Calibration, MonitorSpec, save_spec
from hooke.server.gateway.verdicts import Bank
from hooke.server.gateway.warned import of_fields, of_monitor, of_verdict
from tests.server.gateway.doubles import along, spec
from tests.server.gateway.test_verdicts import width

HERE = Digests(model="m", precision="float32")


def calibration(expires: date = date(9999, 1, 1)) -> Calibration:
    return Calibration(traffic="t", traffic_fingerprint="f", certificates={}, made=date(2020, 1, 1), expires=expires)


def made(**settings: object) -> MonitorSpec:
    given = {"watch": 0.5, "act": 1.0, "valid_for": HERE, "calibration": calibration(), "action": Action(), **settings}
    return spec("calm", **given)  # pyright: ignore[reportArgumentType]


def attacked(digest: str, caught: int) -> RedTeam:
    share = Share(value=1.0, interval=(0.5, 1.0), n=4)
    look = Look(step=0, n=4, caught=4, behaves=4, kl=0.0, peak=1.0, norm=0.0)
    return RedTeam(
        spec_digest=digest,
        threshold=1.0,
        families=(),
        as_they_are=Family(name="as they are", recall=share, false_alarms=share),
        nothing=look,
        curves=(Curve(level="T3", looks=(replace(look, caught=caught),), transfer={}),),
    )


def codes(lab: Lab, found: MonitorSpec) -> list[str]:
    return [one.code for one in of_monitor(lab, found, HERE)]


def test_a_monitor_is_warned_of_until_it_was_attacked_as_it_is_and_held(tmp_path: Path):
    lab, whole = Lab(tmp_path), made()
    assert codes(lab, whole) == ["monitor-not-attacked"], "no monitor of the lab"
    save_spec(lab, whole)
    assert codes(lab, whole) == ["monitor-not-attacked"]
    save_result(lab, "calm", "redteam", attacked("before", 4))
    assert "since it was last changed" in of_monitor(lab, whole, HERE)[0].message
    save_result(lab, "calm", "redteam", attacked(spec_digest(whole), 1))
    assert codes(lab, whole) == ["monitor-broken"]
    assert "under: T3" in of_monitor(lab, whole, HERE)[0].message
    save_result(lab, "calm", "redteam", attacked(spec_digest(whole), 4))
    assert codes(lab, whole) == []


def test_thresholds_by_hand_and_monitors_of_other_models_are_told(tmp_path: Path):
    lab = Lab(tmp_path)
    by_hand = of_monitor(lab, made(calibration=None, valid_for=Digests(model="other", precision="float32")), HERE)
    assert [one.code for one in by_hand] == ["monitor-not-valid", "monitor-not-calibrated", "monitor-not-attacked"]
    assert "another model, and was forced" in by_hand[0].message
    assert "by hand" in by_hand[1].message
    without = of_monitor(lab, made(calibration=None, watch=None, act=None), HERE)
    assert "quiet at any score" in without[0].message


def test_what_happened_on_a_request_is_told():
    watched = Bank([along("calm", "resid_post.1")], width).watched(along("calm", "resid_post.1"))
    nothing = watched.verdict()
    watched.see([2.0], 0, is_prompt=True)
    fine = watched.verdict()
    assert of_verdict(fine, made(), is_over=True) == ()
    assert of_verdict(nothing, made(), is_over=False) == (), "it may judge one yet"
    assert [one.code for one in of_verdict(nothing, made(), is_over=True)] == ["monitor-judged-nothing"]
    failed = replace(fine, n_failed=3)
    (opened,), (closed,) = (
        of_verdict(failed, made(on_error=on_error), is_over=True) for on_error in ("open", "closed")
    )
    assert "failed at 3 tokens: they passed" in opened.message
    assert "as if it had acted" in closed.message
    (expired,) = of_verdict(fine, made(calibration=calibration(date(2020, 1, 2))), is_over=False)
    assert (expired.code, expired.of) == ("monitor-expired", "calm")
    assert "held to 2020-01-02" in expired.message


def test_steering_at_its_bound_is_told_once_the_monitor_acted():
    watched = Bank([along("calm", "resid_post.1")], width).watched(along("calm", "resid_post.1"))
    verdict = replace(watched.verdict(), peak=2.0, act_at=3)
    steers = made(action=Action(do="steer", recipe="push"))
    (found,) = of_verdict(verdict, steers, is_over=True, strength=0.5)
    assert (found.code, found.of) == ("steering-bounded", "push")
    assert of_verdict(verdict, steers, is_over=True) == ()
    assert of_verdict(replace(verdict, act_at=None), steers, is_over=True, strength=0.5) == ()


@pytest.mark.parametrize(("n", "end"), [(1, "'a0'."), (12, "'a9' and 2 more.")])
def test_fields_are_named_and_counted(n: int, end: str):
    (found,) = of_fields([f"a{at}" for at in range(n)])
    assert found.message.endswith(end)
    assert of_fields([]) == ()
    assert of_fields(["\ud800\n" + "x" * 200])[0].message.isascii()
