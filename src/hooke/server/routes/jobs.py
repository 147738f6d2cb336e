"""Long work: what runs, what ran, and how to start, end and start it again."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from hooke.server.jobs import Job, JobsHere
from hooke.server.streams import event_response

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class JobList(BaseModel):
    """All jobs."""

    items: list[Job]
    """Newest first."""
    next: str | None = None
    """Always null."""
    total: int
    """How many there are."""
    kinds: list[str]
    """Kinds of work that can be asked for."""


class JobRequest(BaseModel):
    """Work that is asked for."""

    kind: str
    """What kind."""
    arguments: dict[str, Any] = {}
    """Its arguments."""


@router.get("")
def list_jobs(jobs: JobsHere) -> JobList:
    """All jobs of the lab, newest first."""
    items = jobs.list()
    return JobList(items=items, total=len(items), kinds=jobs.kinds())


@router.post("", status_code=202)
def start_job(request: JobRequest, jobs: JobsHere) -> Job:
    """Queue a job."""
    return jobs.submit(request.kind, request.arguments)


@router.get("/events", response_class=StreamingResponse)
async def follow_jobs(jobs: JobsHere) -> StreamingResponse:
    """Server-sent events: every job's record now, then each one as it changes (event 'job')."""
    return event_response(jobs.events())


@router.get("/{job}")
def get_job(job: str, jobs: JobsHere) -> Job:
    """One job."""
    return jobs.get(job)


@router.post("/{job}/cancel")
def cancel_job(job: str, jobs: JobsHere) -> Job:
    """End a job."""
    return jobs.cancel(job)


@router.post("/{job}/resume", status_code=202)
def resume_job(job: str, jobs: JobsHere) -> Job:
    """Ask again for what a job that ended early was to do."""
    return jobs.resume(job)
