"""The kinds of long work that a server takes, collected from where each is defined."""

from hooke.server import training_jobs
from hooke.server.jobs import JobKind
from hooke.server.routes import discovery, graphs, indexes, maps, patching, path_patching


def job_kinds() -> dict[str, JobKind]:
    """Every kind of job by its name."""
    found: dict[str, JobKind] = {}
    for noun in (discovery, graphs, indexes, maps, patching, path_patching, training_jobs):
        found |= noun.JOBS
    return found
