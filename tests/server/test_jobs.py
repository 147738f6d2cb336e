import asyncio
import errno
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import BaseModel

import hooke.server.jobs
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab, write_json
from hooke.server.jobs import Job, JobKind, Jobs
from tests.server.loops import awaited


class Arguments(BaseModel):
    what: str = "nothing"
    n: int = 3


# What a job's process runs in these tests: the same reports as hooke's, of work that is over in no time or in no end.
PROCESS = textwrap.dedent("""
    import json, os, sys, threading, time
    from hooke.errors import BadRequest
    from hooke.progress import showing, track
    from hooke.server.job_process import Reporter, _end_with_server, report
    from hooke.server.problems import problem_of

    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    print("for people", file=sys.stderr, flush=True)
    if asked["what"] == "crash":
        os._exit(9)
    if asked["what"] == "odd":
        print(json.dumps({"progress": "half"}), flush=True)
        sys.exit(0)
    if asked["what"] == "refuse":
        report(sys.stdout, {"problem": problem_of(BadRequest("No.", "It was so.", "Do this.")).model_dump()})
        sys.exit(1)
    with showing(Reporter(lambda event: report(sys.stdout, event))):
        for n in track(range(asked["n"]), "work", total=asked["n"]):
            time.sleep(0.01)
    report(sys.stdout, {"result": {"n": asked["n"]}})
""")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


@pytest.fixture
def jobs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    monkeypatch.setattr(hooke.server.jobs, "_command", lambda lab, kind: [sys.executable, str(script)])
    made = Jobs(lab, {"test": JobKind(arguments=Arguments, work=lambda lab, arguments: None)})
    yield made
    made.close()


def until(jobs: Jobs, job: Job, *states: str) -> Job:
    """The job once it stands so."""
    end = time.monotonic() + 30
    while jobs.get(job.id).state not in states:
        assert time.monotonic() < end, jobs.get(job.id)
        time.sleep(0.02)
    return jobs.get(job.id)


def test_a_job_reports_its_progress_and_its_result(jobs: Jobs, lab: Lab):
    job = until(jobs, jobs.submit("test", {"what": "x"}), "done")
    assert job.result == {"n": 3}
    assert [(step.name, step.done, step.total, step.is_over) for step in job.progress] == [("work", 3, 3, True)]
    assert job.log == ["for people"]
    assert job.started is not None
    assert job.ended is not None
    kept = Job.model_validate_json((lab.root / "jobs" / f"{job.id}.json").read_text())
    assert (kept.state, kept.result) == ("done", {"n": 3})


def test_a_refusal_of_the_work_is_the_jobs_error(jobs: Jobs):
    job = until(jobs, jobs.submit("test", {"what": "refuse"}), "failed")
    assert job.error is not None
    assert (job.error.title, job.error.hint) == ("No.", "Do this.")


def test_a_crash_is_told_and_the_next_job_runs(jobs: Jobs):
    crashed, next_one = jobs.submit("test", {"what": "crash"}), jobs.submit("test", {})
    job = until(jobs, crashed, "failed")
    assert job.error is not None
    assert "code 9" in job.error.detail
    assert until(jobs, next_one, "done").result == {"n": 3}


def test_a_killed_process_is_told_can_be_resumed_and_the_next_job_runs(jobs: Jobs):
    endless, next_one = jobs.submit("test", {"n": 10**6}), jobs.submit("test", {})
    end = time.monotonic() + 30
    while not jobs.get(endless.id).progress:
        assert time.monotonic() < end
        time.sleep(0.02)
    (process,) = (one for one in psutil.Process().children() if "process.py" in " ".join(one.cmdline()))
    process.kill()
    job = until(jobs, endless, "failed")
    assert job.error is not None
    assert "code -9" in job.error.detail
    assert "Resume" in job.error.hint
    assert until(jobs, next_one, "done").result == {"n": 3}
    jobs.cancel(jobs.resume(endless.id).id)


def test_a_report_that_cannot_be_understood_fails_its_job_alone(jobs: Jobs):
    odd, next_one = jobs.submit("test", {"what": "odd"}), jobs.submit("test", {})
    job = until(jobs, odd, "failed")
    assert job.error is not None
    assert job.error.type == "inside"
    assert until(jobs, next_one, "done").result == {"n": 3}


def test_a_disk_too_full_for_records_ends_no_job_and_refuses_new_ones(jobs: Jobs, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, data: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    slow, next_one = jobs.submit("test", {"n": 150}), jobs.submit("test", {})
    until(jobs, slow, "running")
    with monkeypatch.context() as patch:
        patch.setattr(hooke.server.jobs, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            jobs.submit("test", {})
        assert until(jobs, slow, "done").result == {"n": 150}
        assert until(jobs, next_one, "done").result == {"n": 3}
        assert len(jobs.list()) == 2


def test_only_the_latest_records_are_kept(jobs: Jobs, lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hooke.server.jobs, "_RECORDS", 2)
    made = [until(jobs, jobs.submit("test", {}), "done") for _ in range(4)]
    again = Jobs(lab, {})
    assert [job.id for job in again.list()] == [job.id for job in (made[3], made[2])]
    assert len(list((lab.root / "jobs").glob("*.json"))) == 2
    again.close()


def test_jobs_run_one_after_the_other_and_can_be_cancelled(jobs: Jobs):
    endless, waiting = jobs.submit("test", {"n": 10**6}), jobs.submit("test", {})
    until(jobs, endless, "running")
    assert jobs.get(waiting.id).state == "queued"
    jobs.cancel(endless.id)
    until(jobs, endless, "cancelled")
    until(jobs, waiting, "done")
    also = jobs.submit("test", {"n": 10**6})
    second = jobs.submit("test", {})
    until(jobs, also, "running")
    jobs.cancel(second.id)
    assert jobs.get(second.id).state == "cancelled"
    jobs.cancel(also.id)


def test_only_a_job_that_ended_early_can_be_resumed(jobs: Jobs):
    done = until(jobs, jobs.submit("test", {}), "done")
    with pytest.raises(BadRequest, match="is done"):
        jobs.resume(done.id)
    failed = until(jobs, jobs.submit("test", {"what": "crash"}), "failed")
    assert jobs.resume(failed.id).arguments == failed.arguments


def test_wrong_words_are_refused_and_leave_nothing(jobs: Jobs, lab: Lab):
    with pytest.raises(UnknownName, match="Did you mean 'test'"):
        jobs.submit("tset", {})
    with pytest.raises(BadRequest, match="n: "):
        jobs.submit("test", {"n": "many"})
    for number in ("x", "../x", "20260101-000000-abcdef"):
        with pytest.raises(UnknownName):
            jobs.get(number)
    assert not (lab.root / "jobs").exists()


def test_what_a_dead_server_left_is_interrupted_and_a_living_ones_is_not(jobs: Jobs, lab: Lab):
    job = until(jobs, jobs.submit("test", {}), "done")
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    for number, server in (("20200101-000000-00000a", dead.pid), ("20200101-000000-00000b", os.getppid())):
        record = job.model_copy(update={"id": number, "state": "running", "server": server, "ended": None})
        write_json(lab.root / "jobs" / f"{number}.json", record.model_dump(mode="json"))
    (lab.root / "jobs" / "20200101-000000-00000c.json").write_text("{")
    again = Jobs(lab, {})
    assert again.get("20200101-000000-00000a").state == "interrupted"
    assert again.get("20200101-000000-00000b").state == "running"
    assert len(again.list()) == 3
    again.close()


def test_closing_the_server_interrupts_what_runs(jobs: Jobs, lab: Lab):
    job = jobs.submit("test", {"n": 10**6})
    until(jobs, job, "running")
    jobs.close()
    kept = Job.model_validate_json((lab.root / "jobs" / f"{job.id}.json").read_text())
    assert kept.state == "interrupted"


@pytest.mark.parametrize("state", ["cancelled", "interrupted"])
def test_a_job_that_is_ended_before_it_is_told_its_arguments_has_not_failed(
    jobs: Jobs, state: str, monkeypatch: pytest.MonkeyPatch
):
    started, ending = threading.Event(), threading.Event()
    popen = subprocess.Popen

    def ended_at_once(*command: Any, **options: Any) -> subprocess.Popen[str]:
        process = popen(*command, **options)
        started.set()
        assert ending.wait(30)
        process.kill()
        process.wait()
        return process

    monkeypatch.setattr(hooke.server.jobs.subprocess, "Popen", ended_at_once)
    job = jobs.submit("test", {})
    assert started.wait(30)
    if state == "cancelled":
        jobs.cancel(job.id)
        ending.set()
    else:
        threading.Timer(0.2, ending.set).start()
        jobs.close()
    end = time.monotonic() + 30
    while (kept := jobs.get(job.id)).ended is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert (kept.state, kept.error) == (state, None)


def test_followers_see_every_job_and_each_change(jobs: Jobs):
    async def follow() -> list[str]:
        seen = []
        events = jobs.events()
        first = until(jobs, jobs.submit("test", {}), "done")
        async for name, job in events:
            assert name == "job"
            if job.id == first.id and not seen:
                jobs.submit("test", {})
            seen.append(f"{job.id == first.id} {job.state}")
            if seen[-1] == "False done":
                break
        await events.aclose()  # pyright: ignore[reportAttributeAccessIssue]
        return seen

    seen = awaited(asyncio.wait_for(follow(), 30))
    assert seen[0] == "True done"
    assert seen.index("False queued") < seen.index("False running") < seen.index("False done")
