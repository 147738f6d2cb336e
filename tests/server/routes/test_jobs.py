import json
import time

import httpx

from tests.server.tiny_server import Microscope


def test_a_job_is_started_followed_and_listed(api: httpx.Client, microscope: Microscope):
    started = api.post("/api/jobs", json={"kind": "map", "arguments": {"dictionary": "tiny"}})
    assert started.status_code == 202
    number = started.json()["id"]
    states = []
    with microscope.client() as follower, follower.stream("GET", "/api/jobs/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        for line in events.iter_lines():
            if line.startswith("data: "):
                job = json.loads(line.removeprefix("data: "))
                if job.get("id") == number:
                    states.append(job["state"])
            if states and states[-1] in ("done", "failed"):
                break
    assert states[-1] == "done", api.get(f"/api/jobs/{number}").json()
    assert api.get(f"/api/jobs/{number}").json()["result"]["dictionary"] == "tiny"
    assert number in [job["id"] for job in api.get("/api/jobs").json()["items"]]


def test_a_job_that_runs_can_be_cancelled_and_resumed(api: httpx.Client, microscope: Microscope):
    arguments = {"name": "endless", "model": "smollm2-135m", "sites": ["resid_post.1"], "tokens": 10**10}
    number = api.post("/api/jobs", json={"kind": "harvest", "arguments": arguments}).json()["id"]
    assert api.post(f"/api/jobs/{number}/resume").status_code == 400
    assert api.post(f"/api/jobs/{number}/cancel").status_code == 200
    end = time.monotonic() + 30
    while api.get(f"/api/jobs/{number}").json()["ended"] is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert api.get(f"/api/jobs/{number}").json()["state"] in ("cancelled", "failed")
    again = api.post(f"/api/jobs/{number}/resume").json()
    assert again["arguments"]["name"] == "endless"
    api.post(f"/api/jobs/{again['id']}/cancel")


def test_wrong_jobs_are_refused(api: httpx.Client):
    assert api.post("/api/jobs", json={"kind": "rm"}).status_code == 404
    assert api.post("/api/jobs", json={"kind": "map", "arguments": {}}).status_code == 400
    assert api.get("/api/jobs/..%2f..%2fetc").status_code == 404
    assert api.post("/api/jobs/20200101-000000-abcdef/cancel").status_code == 404
