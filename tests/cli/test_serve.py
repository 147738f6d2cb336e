import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from hooke.cli.serve import listen
from hooke.errors import HookeError
from tests.cli.conftest import Hooke


def start(lab: Path, *words: str) -> subprocess.Popen[str]:
    program = "from hooke.cli.app import main; raise SystemExit(main())"
    command = [sys.executable, "-c", program, "serve", "--port", "0", "--json", "--lab", str(lab), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def test_it_prints_a_link_that_lets_one_browser_in_and_ends_at_once(tmp_path: Path):
    with start(tmp_path / "lab", "--read-only") as server:
        assert server.stdout
        assert server.stderr
        said = json.loads(server.stdout.readline())
        with httpx.Client(trust_env=False, timeout=60, follow_redirects=True) as browser:
            assert browser.get(said["address"] + "api/library").status_code == 401
            assert "token" not in str(browser.get(said["link"]).url)
            assert browser.get(said["address"] + "api/library").json()["read_only"] is True
        server.send_signal(signal.SIGINT)
        code, rest = server.wait(30), server.stderr.read()
    assert code in (0, 130)
    assert "Traceback" not in rest


def test_a_port_in_use_is_one_clear_line(hooke: Hooke):
    with listen("127.0.0.1", 0) as taken:
        done = hooke(f"serve --port {taken.getsockname()[1]}")
    assert done.code == 1
    assert "in use" in done.err
    assert "--port 0" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("path", ["/a/..", "/a<b", "/a&b", "/é"])
def test_a_folder_that_is_none_is_refused(hooke: Hooke, path: str):
    done = hooke(f"serve --port 0 --root-path {path}")
    assert done.code == 2
    assert "--root-path /hooke" in done.err


def test_beyond_loopback_it_needs_a_name(hooke: Hooke):
    done = hooke("serve --host 0.0.0.0 --port 0")
    assert done.code == 2
    assert "--name" in done.err


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("203.0.113.1", 0)])
def test_an_address_that_is_not_there_is_refused(host: str, port: int):
    with pytest.raises(HookeError, match="could not listen"):
        listen(host, port)
