"""Beside an alert: the features at the token, read from the text that the log kept, and alerts that ran alike."""

from typing import Any

import httpx
import pytest

from hooke.lab import Lab
from hooke.monitors.audit_log import AuditLog
from hooke.server.live_monitors import LiveMonitors
from tests.server.test_live_monitors import verdict
from tests.server.tiny_server import Microscope

TEXT = "The bridge over the river was built of iron."
LOGGED = verdict("loud", 3.0, "act") | {"action": "log"}


def heard(live: LiveMonitors, name: str, one: dict[str, Any], scores: list[float] | None = None) -> None:
    if scores:
        end = {"request": name, "position": len(scores) - 1, "scores": {"loud": scores[-1]}, "prompt": {"loud": scores}}
        live.hear("scored", end)
    live.hear("ended", {"request": name, "reason": "length", "n_new": 2, "verdicts": [one]})


def logged(lab: Lab, name: str, *, model: str = "tiny-model", **body: object) -> None:
    with AuditLog(lab.path("audits", "gateway"), actor="gateway", sync=False) as log:
        log.append("request", {"request": name, "model": model})
        log.append("verdict", {"request": name, "name": "loud", **body}, text=TEXT)


def test_the_features_at_the_token_are_read_from_the_kept_text(
    api: httpx.Client, live: LiveMonitors, microscope: Microscope
):
    logged(microscope.lab, "req-read", text_at=TEXT.index(" river"))
    heard(live, "req-read", LOGGED)
    found = api.get("/api/alerts/req-read/features", params={"n": 3}).json()
    assert (found["why_none"], found["monitor"], found["n_left_out"]) == ("", "loud", 0)
    assert found["token"].strip().startswith("r")
    (of,) = found["dictionaries"]
    assert of["dictionary"] == "tiny"
    assert len(of["features"]) == min(3, of["n_active"])
    read = api.post("/api/dictionaries/tiny/read", json={"text": TEXT, "per_token": 3}).json()
    place = next(at for at in range(len(read["tokens"])) if "".join(read["tokens"][:at]) == "The bridge over the")
    assert found["n_tokens"] == len(read["tokens"])
    expected = [(one["feature"], one["value"]) for one in read["per_token"][place]]
    assert [(one["feature"], one["value"]) for one in of["features"]] == expected
    for one in of["features"]:
        row = api.get(f"/api/dictionaries/tiny/features/{one['feature']}").json()
        assert one["density"] == row["density"]


def test_where_nothing_can_be_told_it_is_said_why(api: httpx.Client, live: LiveMonitors, microscope: Microscope):
    def why(name: str) -> str:
        answer = api.get(f"/api/alerts/{name}/features")
        assert answer.status_code == 200
        assert answer.json()["dictionaries"] == []
        return answer.json()["why_none"]

    heard(live, "req-untold", verdict("loud", 3.0, "act"))
    assert "No text is kept" in why("req-untold")
    logged(microscope.lab, "req-old")
    heard(live, "req-old", LOGGED)
    assert "before it was kept where" in why("req-old")
    logged(microscope.lab, "req-foreign", model="another-model", text_at=3)
    heard(live, "req-foreign", LOGGED)
    assert "index is here for the model 'another-model'" in why("req-foreign")
    logged(microscope.lab, "req-parted", text_at=1)
    heard(live, "req-parted", LOGGED)
    assert "not found" in why("req-parted")
    assert api.get("/api/alerts/req-nowhere/features").status_code == 404


def test_neighbours_ran_alike_and_say_what_people_made_of_them(api: httpx.Client, live: LiveMonitors):
    scores = [0.1, 0.2, 0.3, 1.5, 1.6, 2.5, 2.4, 2.3, 2.2, 2.1]
    for name, offset in (("req-own", 0.0), ("req-near", 0.1), ("req-far", 4.0)):
        heard(live, name, LOGGED, [one + offset for one in scores])
    heard(live, "req-short", LOGGED, scores[:5])
    api.post("/api/alerts/req-near/reviews", json={"monitor": "loud", "opinion": "wrong"})
    found = api.get("/api/alerts/req-own/neighbours", params={"monitor": "loud"}).json()
    assert [(one["id"], one["opinion"]) for one in found["items"]] == [("req-near", "wrong"), ("req-far", None)]
    assert found["items"][0]["distance"] == pytest.approx(0.1)
    assert (found["n"], found["n_short"], found["n_other"]) == (2, 1, 0)
    assert found["median"] == pytest.approx(2.05)
    assert api.get("/api/alerts/req-own/neighbours", params={"monitor": "calm"}).status_code == 404
