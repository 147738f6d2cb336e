"""Alerts over HTTP: kept, reviewed, and a live stream that says when nothing is monitored."""

import json
from typing import Any

import httpx
import pytest

from hooke.lab import Lab
from hooke.monitors.audit_log import AuditLog
from hooke.server.live_monitors import LiveMonitors
from hooke.server.routes.alerts import LiveMessage, follow_live
from tests.server.loops import awaited
from tests.server.test_live_monitors import NOTHING, verdict
from tests.server.tiny_server import Microscope


def ended(name: str, *verdicts: dict[str, Any]) -> dict[str, Any]:
    return {"request": name, "reason": "length", "n_new": 2, "verdicts": list(verdicts)}


@pytest.mark.usefixtures("live")
def test_without_a_gateway_the_board_says_so(api: httpx.Client):
    board = api.get("/api/alerts/board").json()["board"]
    assert (board["gateway"], board["is_heard"], board["since"]) == ("", False, None)


def test_an_alert_is_reviewed_and_counts(api: httpx.Client, live: LiveMonitors):
    live.hear("ended", ended("req-seen", verdict("loud", 3.0, "act"), verdict("calm", 0.0, "quiet")))
    listed = api.get("/api/alerts", params={"monitor": "loud"}).json()
    assert [one["id"] for one in listed["items"]] == ["req-seen"]
    assert api.get("/api/alerts", params={"monitor": "calm"}).json()["items"] == []
    body = {"monitor": "loud", "opinion": "wrong", "note": "a test", "by": "me"}
    answer = api.post("/api/alerts/req-seen/reviews", json=body)
    assert answer.status_code == 201, answer.text
    found = api.get("/api/alerts/req-seen").json()
    assert [(one["opinion"], one["note"], one["by"]) for one in found["reviews"]] == [("wrong", "a test", "me")]
    assert found["text"] is None
    rows = {one["name"]: one for one in api.get("/api/alerts/board").json()["board"]["rows"]}
    assert rows["loud"]["standing"]["precision"]["value"] == 0.0
    assert rows["loud"]["watches"] == "none", "no gateway says that it runs it"


def test_what_cannot_be_reviewed_is_refused(api: httpx.Client, live: LiveMonitors):
    live.hear("ended", ended("req-other", verdict("loud", 3.0, "act")))
    assert api.get("/api/alerts/req-nowhere").status_code == 404
    wrong = {"monitor": "calm", "opinion": "right"}
    assert api.post("/api/alerts/req-other/reviews", json=wrong).status_code == 400
    assert api.post("/api/alerts/req-other/reviews", json={"monitor": "loud", "opinion": "maybe"}).status_code == 422


def test_the_text_of_an_alert_is_there_where_the_monitor_logs_it(api: httpx.Client, live: LiveMonitors, lab: Lab):
    with AuditLog(lab.path("audits", "gateway"), actor="gateway", sync=False) as log:
        log.append("verdict", {"request": "req-logged", "name": "loud"}, text="around the token")
    live.hear("ended", ended("req-logged", verdict("loud", 3.0, "act") | {"action": "log"}))
    found = api.get("/api/alerts/req-logged").json()
    assert (found["text"], found["text_of"]) == ("around the token", "loud")


@pytest.fixture
def lab(microscope: Microscope) -> Lab:
    return microscope.lab


def test_drift_is_told_from_thirty_peaks_on(api: httpx.Client):
    assert api.get("/api/alerts/drift", params={"monitor": "nowhere"}).status_code == 404


def test_the_stream_is_coalesced_and_says_what_it_leaves_out():
    live = LiveMonitors("http://gateway", lambda _: None, lambda _: NOTHING)

    async def reading() -> list[LiveMessage]:
        found = []
        lines = (await follow_live(live)).body_iterator
        async for block in lines:
            assert isinstance(block, str)
            name, data = block.removesuffix("\n\n").split("\n")
            assert name == "event: live"
            found.append(LiveMessage.model_validate(json.loads(data.removeprefix("data: "))))
            if len(found) == 1:
                for at in range(250):
                    live.hear("ended", ended(f"req-{at}", verdict("m", 0.5, "quiet")))
            if len(found) == 2:
                await lines.aclose()  # pyright: ignore[reportAttributeAccessIssue]
                break
        return found

    first, second = awaited(reading())
    assert first.board is not None
    assert (first.verdicts, first.dropped) == ([], 0)
    assert second.board is None, "said less than a second ago"
    assert (len(second.verdicts), second.dropped) == (100, 150)
    assert second.verdicts[-1].request == "req-249"
