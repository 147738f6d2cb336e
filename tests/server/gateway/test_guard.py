"""Bodies that are huge or slow, and keys that are none."""

import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.server.gateway.tiny_gateway import Live


def raw(live: Live, head: str, body: bytes = b"", pause: float = 0.0, pieces: int = 1) -> bytes:
    """What comes back on a connection of one's own."""
    where = urlsplit(live.address)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as line:
        line.sendall(head.replace("\n", "\r\n").encode())
        size = max(1, len(body) // pieces)
        for at in range(0, len(body), size):
            try:
                line.sendall(body[at : at + size])
            except OSError:
                break
            time.sleep(pause)
        found = b""
        try:
            while more := line.recv(65536):
                found += more
        except OSError:
            pass
        return found


def head(live: Live, length: str = "", secret: str | None = None) -> str:
    key = live.secret if secret is None else secret
    kind = "Content-Type: application/json"
    return f"POST /v1/completions HTTP/1.1\nHost: x\nAuthorization: Bearer {key}\n{kind}\n{length}\n"


@pytest.mark.parametrize("length", ["Content-Length: 99999999999\n", "Content-Length: 300001\n"])
def test_a_huge_body_is_refused_by_its_length(live: Live, length: str):
    assert b" 413 " in raw(live, head(live, length))


def test_a_huge_body_without_a_length_is_refused_on_the_way(live: Live):
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    found = raw(live, head(live, "Transfer-Encoding: chunked\n"), chunk * 8)
    assert b" 413 " in found
    assert b"too_large" in found


def test_a_slow_body_is_given_up(live: Live):
    began = time.monotonic()
    found = raw(live, head(live, "Content-Length: 1000\n"), b"x" * 8, pause=0.1, pieces=4)
    assert b" 408 " in found
    assert time.monotonic() - began < 8


def test_no_body_is_read_for_a_stranger(live: Live):
    found = raw(live, head(live, "Content-Length: 150000\n", secret="hk-wrong"))
    assert b" 401 " in found
    assert b"invalid_api_key" in found


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic {}", "bearer{}", "{}", "Bearer {}x", "Bearer x{}"])
def test_only_a_whole_key_opens(live: Live, header: str | None):
    headers = {} if header is None else {"authorization": header.format(live.secret)}
    with httpx.Client(base_url=live.address, trust_env=False) as client:
        found = client.get("/v1/models", headers=headers)
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
        assert live.secret not in found.text
        assert client.get("/v1/models", headers={"authorization": f"bearer {live.secret}"}).status_code == 200


def test_each_request_has_a_number_and_a_line(live: Live, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", "hooke.gateway")
    with live.client() as client:
        found = client.post(
            "/v1/completions", json={"model": "tiny-model", "prompt": "A secret river", "max_tokens": 2}
        )
    number = found.headers["x-hooke-request-id"]
    deadline = time.monotonic() + 10
    while not (own := [one for one in caplog.records if getattr(one, "fields", {}).get("request") == number]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    fields = own[-1].fields  # pyright: ignore[reportAttributeAccessIssue]
    assert (fields["status"], fields["path"]) == (200, "/v1/completions")
    assert "secret" not in json.dumps([one.__dict__ for one in caplog.records], default=str)
    assert found.headers["x-content-type-options"] == "nosniff"
