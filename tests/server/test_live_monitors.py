"""What is heard of a gateway: the ring, minutes rolled up, alerts, and the difference between quiet and not heard."""

from typing import Any

import pytest

from hooke.errors import OutOfSpace
from hooke.findings import share_interval
from hooke.monitors.alerts import Alert, Standing
from hooke.server.live_monitors import RING, STALE, LiveMonitors, Row

NOTHING = Standing(n_alerts=0, n_act=0, n_reviewed=0, n_unsure=0, precision=None)


class Clock:
    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A live board with its clock and what it kept."""

    def __init__(self) -> None:
        self.clock, self.kept = Clock(), list[Alert]()
        self.live = LiveMonitors("http://gateway", self.kept.append, lambda _: NOTHING, self.clock)

    def request(self, name: str, peak: float | None = 0.5, level: str = "quiet", *, monitors: tuple[str, ...] = ("m",)):
        self.live.hear("began", {"request": name, "n_prompt": 4, "time": self.clock.now - 0.25})
        self.live.hear("scored", {"request": name, "position": 3, "scores": dict.fromkeys(monitors, 0.1)})
        verdicts = [verdict(one, peak, level) for one in monitors]
        self.live.hear("ended", {"request": name, "reason": "length", "n_new": 2, "verdicts": verdicts})

    def row(self, name: str = "m") -> Row:
        return next(one for one in self.live.board().rows if one.name == name)


def verdict(name: str, peak: float | None, level: str) -> dict[str, Any]:
    return {
        "name": name, "version": "v1", "score": peak, "peak": peak, "level": level, "watch": 1.0, "act": 2.0,
        "probability": None, "watch_at": 3 if level != "quiet" else None, "act_at": 5 if level == "act" else None,
        "n_failed": 0, "action": "stop",
    }  # fmt: skip


def test_minutes_are_rolled_up_and_leave_after_a_quarter_of_an_hour():
    heard = Heard()
    heard.live.connected({"m": True})
    heard.request("req-0", 0.5)
    heard.clock.now += 60
    heard.request("req-1", 1.5, "watch")
    heard.request("req-2", 2.5, "act")
    heard.request("req-3", monitors=())
    row = heard.row()
    assert row.counts[-2:] == (1, 2)
    assert row.minutes[-2:] == (0.5, 2.0)
    assert row.minutes[:-2] == (None,) * 13
    assert row.above is not None
    assert (row.above.value, row.above.interval) == (2 / 3, share_interval(2 / 3, 3))
    assert row.n_act == 1
    assert row.rate == 1.5
    assert row.coverage is not None
    assert (row.coverage.value, row.coverage.n) == (0.75, 4), "one request was seen by no monitor"
    heard.clock.now += 14 * 60
    assert heard.row().counts[0] == 2
    heard.clock.now += 60
    assert heard.row().above is None
    assert heard.row().coverage is None


def test_not_run_is_told_from_quiet_and_old_from_new():
    heard = Heard()
    board = heard.live.board()
    assert not board.is_heard
    assert board.since is None
    heard.live.connected({"always": True, "offered": False})
    assert heard.live.board().is_heard
    assert {one.name: one.watches for one in heard.live.board().rows} == {"always": "all", "offered": "asked"}
    heard.live.connected({"offered": False})
    assert heard.row("always").watches == "none"
    heard.clock.now += STALE + 1
    assert not heard.live.board().is_heard
    heard.live.alive()
    assert heard.live.board().is_heard
    heard.live.broke("The gateway ended its stream.")
    board = heard.live.board()
    assert (board.is_heard, board.problem) == (False, "The gateway ended its stream.")
    heard.live.connected({})
    heard.live.canary(False)
    assert "canary is silent" in heard.live.board().problem
    heard.live.canary(True)
    assert heard.live.board().problem == ""


def test_an_alert_is_kept_as_soon_as_it_rises_and_again_at_its_end():
    heard = Heard()
    heard.live.hear("began", {"request": "req-1", "n_prompt": 4, "time": 0.0})
    heard.live.hear("scored", {"request": "req-1", "position": 3, "scores": {"m": 0.1, "calm": None}})
    heard.live.hear("rose", {"request": "req-1", "position": 3, "verdict": verdict("m", 2.5, "act")})
    assert [(one.id, one.reason, one.fired[0].level) for one in heard.kept] == [("req-1", "", "act")]
    heard.live.hear("scored", {"request": "req-1", "position": 4, "scores": {"m": 0.2, "calm": 0.0}})
    end = [verdict("m", 2.5, "act"), verdict("calm", 0.0, "quiet")]
    heard.live.hear("ended", {"request": "req-1", "reason": "content_filter", "n_new": 1, "verdicts": end})
    last = heard.kept[-1]
    assert (last.reason, last.n_new, last.quiet) == ("content_filter", 1, ("calm",))
    assert (last.fired[0].positions, last.fired[0].scores) == ((3, 4), (0.1, 0.2))
    verdicts, dropped = heard.live.after(0, 10)
    assert [(one.monitor, one.level, one.at, one.action) for one in verdicts] == [
        ("m", "act", 5, "stop"),
        ("calm", "quiet", None, ""),
    ]
    assert dropped == 0


def test_an_alert_under_way_when_the_stream_breaks_is_kept_as_lost():
    heard = Heard()
    heard.live.hear("rose", {"request": "req-1", "position": 3, "verdict": verdict("m", 1.5, "watch")})
    heard.live.broke("gone")
    assert [one.reason for one in heard.kept] == ["", "lost"]


def test_the_ring_keeps_the_newest_and_says_what_a_reader_missed():
    heard = Heard()
    for at in range(RING + 10):
        heard.live.hear("ended", {"request": f"req-{at}", "reason": "length", "verdicts": [verdict("m", 0.0, "quiet")]})
    board = heard.live.board()
    assert (board.n_kept, board.n_requests) == (RING, RING + 10)
    found, dropped = heard.live.after(0, 3)
    assert ([one.n for one in found], dropped) == ([RING + 8, RING + 9, RING + 10], RING + 7)
    assert heard.live.after(RING + 10, 3) == ([], 0)
    assert heard.live.peaks("m") == [0.0] * RING


def test_what_no_monitor_judged_is_not_called_quiet():
    heard = Heard()
    heard.request("req-0", None)
    heard.request("req-1", monitors=())
    found, _ = heard.live.after(0, 10)
    assert [(one.monitor, one.level) for one in found] == [("m", "unscored"), ("", "unscored")]
    assert heard.row().counts[-1] == 0


def test_a_full_disk_is_told_and_the_gateway_still_heard():
    def full(_: Alert) -> None:
        raise OutOfSpace("It could not be written.", "The disk is full.", "Free some space.")

    live = LiveMonitors("http://gateway", full, lambda _: NOTHING)
    live.connected({"m": True})
    live.hear("ended", {"request": "r", "reason": "stop", "verdicts": [verdict("m", 2.5, "act")]})
    board = live.board()
    assert "cannot be kept" in board.problem
    assert board.n_requests == 1


def test_lag_and_losses():
    heard = Heard()
    heard.request("req-0")
    assert heard.live.board().lag == pytest.approx(0.25)
    heard.live.hear("lost", {"n": 7})
    assert heard.live.board().n_lost == 7
