import json

import pytest

from hooke.errors import BadArtefact, BadRequest, PromptTooLong, UnknownName
from hooke.server.gateway.refusals import Forbidden, TooOften, Unsupported, refusal_of
from hooke.server.gateway.speech import EngineClosed, EngineFull


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineFull("full"), 429, "engine_overloaded"),
        (TooOften("often", seconds=2.2), 429, "rate_limit_exceeded"),
        (EngineClosed("closing"), 503, "shutting_down"),
        (Forbidden("no"), 403, "not_permitted"),
        (PromptTooLong("long"), 400, "context_length_exceeded"),
        (UnknownName("who"), 404, "not_found"),
        (BadRequest("bad"), 400, "bad_request"),
        (Unsupported("tools"), 400, "unsupported_parameter"),
        (BadArtefact("damaged"), 500, "damaged-artefact"),
        (OSError(28, "No space left on device"), 507, "out-of-space"),
        (ValueError("the secret prompt"), 500, "inside"),
    ],
)
def test_errors_have_openais_shape(error: Exception, status: int, code: str):
    found = refusal_of(error)
    told = json.loads(bytes(found.body))["error"]
    assert (found.status_code, told["code"]) == (status, code)
    assert set(told) == {"message", "type", "param", "code"}
    assert "secret" not in told["message"]
    assert ("retry-after" in found.headers) == (status == 429)


def test_the_time_to_wait_is_rounded_up():
    assert refusal_of(TooOften("often", seconds=2.2)).headers["retry-after"] == "3"


def test_what_is_not_supported_is_named():
    assert json.loads(bytes(refusal_of(Unsupported("tools")).body))["error"]["param"] == "tools"
