"""Every address of the server, asked with what its own description allows and with what it does not: never a 500."""

import warnings
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from tests.cli.tiny_lab import TinyLab
from tests.server.conftest import server_lab  # noqa: F401

# Streams that have no end, and work that takes minutes.
LEFT_OUT = (
    "/api/jobs/events", "/api/jobs", "/api/jobs/{job}/resume", "/api/indexes/{dictionary}/text", "/api/alerts/live",
)  # fmt: skip


@pytest.fixture(scope="module")
def client(server_lab: TinyLab) -> Iterator[TestClient]:  # noqa: F811
    from hooke.server.access import COOKIE, Keys
    from hooke.server.app import create_app

    keys = Keys()
    app = create_app(server_lab.lab, keys=keys, model=str(server_lab.model))
    made = TestClient(app, base_url="http://127.0.0.1", headers={"X-Hooke": "1"}, raise_server_exceptions=False)
    made.cookies.set(COOKIE, keys.open(keys.new_link()) or "")
    with made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_request_breaks_the_server(client: TestClient):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fuzzer's own
        import schemathesis

        schema = schemathesis.openapi.from_dict(client.get("/api/openapi.json").json()).exclude(path=list(LEFT_OUT))
        operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 15
    broken: dict[str, str] = {}
    for operation in operations:
        strategy = operation.as_strategy()

        @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=strategy)
        def ask(case: schemathesis.Case) -> None:
            answer = client.request(**_words(case))
            assert answer.status_code < 500, f"{case.as_curl_command()} {answer.text[:300]}"

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ask()
        except AssertionError as error:
            broken[f"{operation.method} {operation.path}"] = str(error)
    assert broken == {}


def _words(case: object) -> dict[str, object]:
    """What the client sends for a case."""
    words = case.as_transport_kwargs(base_url="http://127.0.0.1")  # pyright: ignore[reportAttributeAccessIssue]
    words.pop("cookies", None)
    words.pop("timeout", None)
    words.pop("verify", None)
    return words
