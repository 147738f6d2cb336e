from pydantic import BaseModel

from hooke.server.kinds import job_kinds


def test_kinds_of_work_are_told_apart_and_take_checked_arguments():
    kinds = job_kinds()
    assert {"harvest", "index", "map", "train"} <= set(kinds)
    assert all(issubclass(kind.arguments, BaseModel) for kind in kinds.values())
