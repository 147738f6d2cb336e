"""The kinds of long work that a server takes, collected from where each is defined."""

from hooke.server import training_jobs
from hooke.server.jobs import JobKind
from hooke.server.routes import discovery, graphs, indexes, maps, patching


def job_kinds() -> dict[str, JobKind]:
    """Every kind of job by its name."""
    return {**discovery.JOBS, **graphs.JOBS, **indexes.JOBS, **maps.JOBS, **patching.JOBS, **training_jobs.JOBS}
