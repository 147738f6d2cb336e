"""Alerts and reviews: kept by whole lines, found again after a restart, and reckoned into a share with its interval."""

from dataclasses import replace
from pathlib import Path

import pytest

import hooke.monitors.alerts
from hooke.errors import BadRequest, UnknownName
from hooke.findings import share_interval
from hooke.lab import Lab
from hooke.monitors.alerts import ALERTS, REVIEWS, Alert, AlertBook, Fired, Opinion, Review


def alert(name: str, level: str = "act", monitor: str = "m") -> Alert:
    fired = Fired(
        monitor=monitor, version="v", level=level, peak=2.0, watch=0.5, act=1.0, watch_at=3, act_at=4, probability=None,
        n_failed=0, action="annotate", positions=(4, 5), scores=(2.0, None),
    )  # fmt: skip
    return Alert(id=name, time=1.0, n_prompt=4, n_new=None, reason="", fired=(fired,))


def review(name: str, opinion: Opinion, monitor: str = "m") -> Review:
    return Review(alert=name, monitor=monitor, opinion=opinion, note="because", by="me", time=2.0)


def test_alerts_and_reviews_are_there_after_a_restart(tmp_path: Path):
    lab = Lab(tmp_path)
    book = AlertBook(lab)
    for at in range(4):
        book.put(alert(f"req-{at}"))
    book.put(replace(alert("req-3", level="watch"), reason="length"))
    for name, opinion in (("req-0", "right"), ("req-1", "wrong"), ("req-2", "unsure"), ("req-1", "right")):
        book.add(review(name, opinion))
    for one in (book, AlertBook(lab)):
        assert [found.id for found in one.latest(2)] == ["req-3", "req-2"]
        assert one.find("req-3").reason == "length", "the last line of a request counts"
        assert one.find("req-0") == alert("req-0")
        standing = one.standing("m")
        assert (standing.n_alerts, standing.n_act, standing.n_reviewed, standing.n_unsure) == (4, 3, 3, 1)
        assert standing.precision is not None
        assert (standing.precision.value, standing.precision.n) == (1.0, 2), "the last look counts, and unsure for none"
        assert standing.precision.interval == share_interval(1.0, 2)
        assert [found.opinion for found in one.reviews_of("req-1")] == ["right"]
        assert one.standing("other").precision is None


def test_a_torn_line_is_cut_off_and_a_damaged_one_counted(tmp_path: Path):
    lab = Lab(tmp_path)
    AlertBook(lab).put(alert("req-0"))
    file = lab.path("audits", "alerts") / ALERTS
    with file.open("ab") as handle:
        handle.write(b'{"id": 3}\n{"id": "req-to')
    book = AlertBook(lab)
    assert book.n_unreadable == 1
    book.put(alert("req-1"))
    assert {one.id for one in AlertBook(lab).latest(9)} == {"req-0", "req-1"}
    assert (file.stat().st_mode & 0o777) == 0o600


def test_an_alert_that_is_no_longer_in_memory_is_found_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooke.monitors.alerts, "LATEST", 2)
    book = AlertBook(Lab(tmp_path))
    for at in range(4):
        book.put(alert(f"req-{at}"))
    assert [one.id for one in book.latest(9)] == ["req-3", "req-2"]
    assert book.find("req-0") == alert("req-0")
    assert book.standing("m").n_alerts == 4
    assert book.latest(9, monitor="other") == []


def test_a_review_of_what_did_not_fire_is_refused(tmp_path: Path):
    book = AlertBook(Lab(tmp_path))
    with pytest.raises(UnknownName, match="no alert 'req-9'"):
        book.add(review("req-9", "right"))
    book.put(alert("req-0"))
    with pytest.raises(BadRequest, match="'other' did not fire"):
        book.add(review("req-0", "right", monitor="other"))
    with pytest.raises(BadRequest, match="too long"):
        book.add(replace(review("req-0", "right"), note="x" * 5000))
    assert book.standing("m").n_reviewed == 0
    assert not (tmp_path / "audits" / "alerts" / REVIEWS).exists()
