"""Long work, each job in a process of its own: a crash harms nobody, cancelling ends it, its record outlives it.

One job runs at a time, in the order in which they came. The record is a file in the lab; the server that started a job
is written in it, so that a job whose server is gone shows as interrupted and can be started again.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from hooke.errors import BadRequest, HookeError, UnknownName, did_you_mean
from hooke.lab import Lab, write_json
from hooke.server.problems import Problem, problem_of

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_LOG_LINES = 200
_RECORDS = 200
"""Records of jobs that are over, kept when a server starts; what the jobs made is not touched."""
_WRITE_EVERY = 1.0
"""Seconds between two writes of a running job's record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobKind:
    """What a kind of job takes and does."""

    arguments: type[BaseModel]
    """The form of its arguments."""
    work: Callable[[Lab, Any], Any]
    """Does it, in the job's own process; returns plain JSON."""


class Step(BaseModel):
    """How far one part of a job is."""

    name: str
    """What is being done."""
    done: float
    """How much of it is done."""
    total: float | None
    """How much there is to do, where that is known."""
    unit: str
    """Of what."""
    rate: float
    """Units per second so far."""
    eta: float | None
    """Seconds left at that rate, where the total is known."""
    is_over: bool
    """Whether it has ended."""


class Job(BaseModel):
    """One piece of long work."""

    id: str
    """Its number."""
    kind: str
    """What kind of work."""
    title: str
    """What it works on, in words."""
    arguments: dict[str, Any]
    """What it was asked for."""
    state: State
    """Where it stands."""
    progress: list[Step]
    """Its parts in the order in which they began."""
    error: Problem | None
    """Why it failed."""
    result: Any
    """What it returned."""
    log: list[str]
    """The last lines that it wrote for people."""
    created: float
    """When it was asked for, in seconds since 1970."""
    started: float | None
    """When it began."""
    ended: float | None
    """When it ended, well or not."""
    server: int
    """Process number of the server that started it."""


class Jobs:
    """The jobs of a lab, as one server runs them."""

    def __init__(self, lab: Lab, kinds: dict[str, JobKind]) -> None:
        self._lab, self._kinds = lab, kinds
        self._jobs: dict[str, Job] = {}
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Job]]] = []
        self._process: subprocess.Popen[str] | None = None
        self._is_open = True
        self._read_records()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def kinds(self) -> list[str]:
        """Kinds of work that can be asked for."""
        return sorted(self._kinds)

    def list(self) -> list[Job]:
        """All jobs, newest first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: (job.created, job.id), reverse=True)

    def get(self, number: str) -> Job:
        """One job.

        Raises:
            UnknownName: there is none.
        """
        with self._changed:
            if number not in self._jobs:
                raise UnknownName(f"There is no job '{number[:60]}'.", "", "GET /api/jobs lists all jobs.")
            return self._jobs[number]

    def submit(self, kind: str, arguments: dict[str, Any]) -> Job:
        """Queue a job.

        Raises:
            UnknownName: there is no such kind of work.
            BadRequest: its arguments are wrong.
        """
        if kind not in self._kinds:
            raise UnknownName(
                f"There is no job '{kind[:60]}'.", did_you_mean(kind, self._kinds), f"Kinds: {', '.join(self.kinds())}."
            )
        try:
            asked = self._kinds[kind].arguments.model_validate(arguments)
        except ValidationError as error:
            found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
            raise BadRequest(f"The job '{kind}' cannot be started with these arguments.", found, "") from None
        plain = asked.model_dump(mode="json")
        job = Job(
            id=f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:6]}",
            kind=kind,
            title=_title(kind, plain),
            arguments=plain,
            state="queued",
            progress=[],
            error=None,
            result=None,
            log=[],
            created=time.time(),
            started=None,
            ended=None,
            server=os.getpid(),
        )
        self._write(job)
        with self._changed:
            self._jobs[job.id] = job
            self._queue.append(job.id)
            self._changed.notify()
        self._tell(job)
        return job

    def cancel(self, number: str) -> Job:
        """End a job; one that is over already stays as it is.

        Raises:
            UnknownName: there is none.
        """
        job = self.get(number)
        with self._changed:
            if job.state == "queued":
                if number in self._queue:
                    self._queue.remove(number)
                self._end(job, "cancelled")
            elif job.state == "running":
                job.state = "cancelled"
                if self._process is not None:
                    self._process.terminate()
        return job

    def resume(self, number: str) -> Job:
        """Ask again for what a job was to do. Work that keeps what it has done goes on from there.

        Raises:
            UnknownName: there is none.
            BadRequest: it is still at work, or done.
        """
        job = self.get(number)
        if job.state in ("queued", "running", "done"):
            raise BadRequest(f"The job is {job.state}.", "", "Only a job that ended early can be resumed.")
        return self.submit(job.kind, job.arguments)

    async def events(self) -> AsyncIterator[tuple[str, Job]]:
        """Every job's record as it is now, then each one as it changes."""
        queue: asyncio.Queue[Job] = asyncio.Queue()
        listener = (asyncio.get_running_loop(), queue)
        self._listeners.append(listener)
        try:
            for job in reversed(self.list()):
                yield "job", job
            while True:
                yield "job", await queue.get()
        finally:
            self._listeners.remove(listener)

    def close(self) -> None:
        """End the job at work, which can be resumed, and the thread."""
        with self._changed:
            self._is_open = False
            if self._process is not None:
                self._process.terminate()
            self._changed.notify()
        self._thread.join()

    def _folder(self) -> Path:
        return self._lab.root / "jobs"

    def _read_records(self) -> None:
        folder = self._folder()
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            if not _ID.fullmatch(path.stem):
                continue
            try:
                job = Job.model_validate_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # a record that cannot be read is nobody's work any more
            if job.state in ("queued", "running") and not (job.server != os.getpid() and _is_alive(job.server)):
                job.state = "interrupted"
                job.ended = job.ended or time.time()
            self._jobs[job.id] = job
        over = [job for job in self.list() if job.state not in ("queued", "running")]
        for job in over[_RECORDS:]:
            del self._jobs[job.id]
            with suppress(OSError):
                (folder / f"{job.id}.json").unlink()

    def _write(self, job: Job) -> None:
        write_json(self._folder() / f"{job.id}.json", job.model_dump(mode="json"))

    def _tell(self, job: Job) -> None:
        copy = job.model_copy(deep=True)
        for loop, queue in list(self._listeners):
            with suppress(RuntimeError):  # the listener's loop has ended
                loop.call_soon_threadsafe(queue.put_nowait, copy)

    def _keep(self, job: Job) -> None:
        with suppress(OSError, HookeError):  # the lab may be gone or full; the record in memory says how it stands
            self._write(job)

    def _end(self, job: Job, state: State) -> None:
        job.state, job.ended = state, time.time()
        self._keep(job)
        self._tell(job)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and self._is_open:
                    self._changed.wait()
                if not self._is_open:
                    return
                job = self._jobs[self._queue.popleft()]
                job.state, job.started = "running", time.time()
            try:
                self._work(job)
            except Exception as error:  # whatever it is, the jobs behind this one go on
                job.error = problem_of(error)
                logging.getLogger("uvicorn.error").exception("trace %s", job.error.trace_id)
                self._end(job, "failed")

    def _work(self, job: Job) -> None:
        self._keep(job)
        self._tell(job)
        # Its standard input stays open as long as this server lives: when it closes, the job knows that it is alone.
        command = _command(self._lab, job.kind)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        ) as process:
            with self._changed:
                self._process = process
                if job.state == "cancelled" or not self._is_open:
                    process.terminate()
            assert process.stdin
            assert process.stdout
            assert process.stderr
            reader = threading.Thread(target=_keep_log, args=(process.stderr, job), daemon=True)
            reader.start()
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(job.arguments) + "\n")
                process.stdin.flush()
            has_ended = self._follow(job, process.stdout)
            process.wait()
            reader.join()
            with suppress(BrokenPipeError):  # of a job that was ended before it read its arguments
                process.stdin.close()
        with self._changed:
            self._process = None
        if job.state == "cancelled":
            self._end(job, "cancelled")
        elif has_ended:
            self._end(job, "failed" if job.error else "done")
        elif not self._is_open:
            self._end(job, "interrupted")
        else:
            found = f"It ended with code {process.returncode}. {' '.join(job.log[-3:])}".strip()
            job.error = problem_of(HookeError("The job's process died.", found, "Resume it; with less memory in use."))
            self._end(job, "failed")

    def _follow(self, job: Job, lines: Any) -> bool:
        """Take in what the job reports; whether it came to an end of its own."""
        written = time.monotonic()
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed
            if "result" in event:
                job.result = event["result"]
                return True
            if "problem" in event:
                job.error = Problem.model_validate(event["problem"])
                return True
            job.progress = [Step.model_validate(step) for step in event.get("progress", [])]
            self._tell(job)
            if time.monotonic() - written > _WRITE_EVERY:
                self._keep(job)
                written = time.monotonic()
        return False


def _command(lab: Lab, kind: str) -> "list[str]":
    return [sys.executable, "-m", "hooke.server.job_process", str(lab.root), kind]


def _keep_log(lines: Any, job: Job) -> None:
    # Whoever waits for the process closes the pipe, perhaps while the last of it is read.
    with contextlib.suppress(ValueError):
        for line in lines:
            job.log = [*job.log, line.rstrip()[:500]][-_LOG_LINES:]


def _title(kind: str, arguments: dict[str, Any]) -> str:
    about = next((str(value) for value in arguments.values() if isinstance(value, str) and value), "")
    return f"{kind} {about}".strip()[:120]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def jobs_of(request: Request) -> Jobs:
    """The jobs of the server that answers this request."""
    return request.app.state.jobs


JobsHere = Annotated[Jobs, Depends(jobs_of)]
