"""Clients that send or take a byte now and then hold nothing up, and those that do not are left alone."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from hooke.models.model import Model
from hooke.server.gateway.connections import Impatient, impatient
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.tiny_gateway import Live, running


@pytest.fixture(scope="module")
def hasty(gateway_lab: TinyLab, gateway_model: Model) -> Iterator[Live]:
    with running(gateway_lab, gateway_model, head_seconds=0.6, write_seconds=0.6) as found:
        yield found


def connected(live: Live) -> socket.socket:
    where = urlsplit(live.address)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=20)


def drip(line: socket.socket, text: bytes, seconds: float) -> bool:
    """Send a byte now and then; whether the other side has had enough within the time."""
    began = time.monotonic()
    line.settimeout(0.1)
    for byte in text:
        if time.monotonic() - began > seconds:
            return False
        try:
            line.sendall(bytes([byte]))
            if line.recv(1) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("first", [b"", b"GET /health HTTP/1.1\r\n"])
def test_a_head_that_does_not_come_is_given_up(hasty: Live, first: bytes):
    with connected(hasty) as line:
        line.sendall(first)
        assert drip(line, b"X-A: b\r\n" * 40, 6)


def test_many_slow_heads_keep_nobody_out(hasty: Live):
    lines = [connected(hasty) for _ in range(50)]
    for line in lines:
        line.sendall(b"POST /v1/completions HTTP/1.1\r\nX-")
    with hasty.client() as client:
        assert client.get("/v1/models").status_code == 200
    time.sleep(1.0)
    for line in lines:
        with suppress(OSError):
            assert line.recv(10) == b""
        line.close()


def test_a_second_slow_head_on_one_connection_is_given_up_too(hasty: Live):
    with connected(hasty) as line:
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        found = b""
        while b"is_alive" not in found:
            found += line.recv(4096)
        assert drip(line, b"GET /health HTTP/1.1\r\n" + b"X-A: b\r\n" * 40, 6)


def test_a_slow_answer_is_no_slow_head(hasty: Live):
    given = {"model": "tiny-model", "prompt": "A cat", "max_tokens": 200, "stream": True}
    with hasty.client() as client, client.stream("POST", "/v1/completions", json=given) as stream:
        lines = stream.iter_lines()
        next(lines)
        time.sleep(1.0)
        assert [line for line in lines if line][-1] == "data: [DONE]"


def test_limits_are_of_each_kind_of_server():
    assert impatient(head_seconds=1.0, write_seconds=2.0).head_seconds == 1
    assert Impatient.head_seconds == 10
