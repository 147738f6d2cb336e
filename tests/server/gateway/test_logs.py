import io
import json
import logging

import pytest

from hooke.server.gateway.logs import LOGGER, Lines, log, log_verdict, plain
from tests.server.gateway.test_verdicts import Bank, along, width


@pytest.fixture
def lines():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines())
    LOGGER.addHandler(handler)
    level = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_a_line_is_one_json_object_without_what_is_no_number(lines):
    log("request", status=200, seconds=float("nan"))
    (found,) = lines()
    assert (found["event"], found["status"], found["seconds"], found["level"]) == ("request", 200, None, "info")


def test_an_error_is_named_and_its_words_are_not_told(lines):
    try:
        raise ValueError("the secret prompt")
    except ValueError:
        LOGGER.exception("a step failed")
    (found,) = lines()
    assert found["error"] == "ValueError"
    assert "test_logs" in found["where"]
    assert "secret" not in json.dumps(found)


def test_a_verdict_has_the_shape_of_the_convention(lines):
    monitor = along("m", "resid_post.1", act=1.0)
    watched = Bank([monitor], width).watched(monitor)
    watched.see([2.0], 3, is_prompt=False)
    log_verdict("req-1", "tiny", watched.verdict())
    (found,) = lines()
    assert found["event.name"] == "gen_ai.evaluation.result"
    assert found["gen_ai.evaluation.name"] == "m"
    assert found["gen_ai.evaluation.score.value"] == 2.0
    assert found["gen_ai.evaluation.score.label"] == "act"
    assert found["gen_ai.response.id"] == "req-1"


def test_plain_reaches_every_depth():
    assert plain({"a": [float("inf"), (float("nan"), 1)]}) == {"a": [None, [None, 1]]}
