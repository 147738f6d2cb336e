import pytest

from hooke.errors import BadArtefact, BadConfig, HookeError, LabBusy, OutOfSpace, PromptTooLong, UnknownName
from hooke.server.problems import NoModel, problem_of


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UnknownName("a", "b", "c"), 404, "unknown-name"),
        (BadConfig("a"), 400, "bad-request"),
        (PromptTooLong("a"), 422, "prompt-too-long"),
        (LabBusy("a"), 409, "lab-busy"),
        (NoModel("a"), 409, "no-model"),
        (OutOfSpace("a"), 507, "out-of-space"),
        (BadArtefact("a"), 422, "damaged-artefact"),
        (HookeError("a"), 422, "refused"),
        (PermissionError(13, "Permission denied", "/somewhere"), 503, "lab-unavailable"),
        (OSError(28, "No space left on device", "/somewhere"), 507, "out-of-space"),
        (ValueError("secret"), 500, "inside"),
    ],
)
def test_each_kind_of_error_has_its_status_and_word(error: Exception, status: int, kind: str):
    problem = problem_of(error)
    assert (problem.status, problem.type) == (status, kind)
    assert len(problem.trace_id) == 12


def test_the_three_parts_of_a_refusal_are_title_detail_and_hint():
    problem = problem_of(UnknownName("No x.", "There is y.", "Take y."))
    assert (problem.title, problem.detail, problem.hint) == ("No x.", "There is y.", "Take y.")


def test_an_error_inside_does_not_tell_what_it_said():
    assert "secret" not in problem_of(ValueError("secret")).model_dump_json()
