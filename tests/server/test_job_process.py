import json
import subprocess
import sys
import time
from typing import Any

import pytest

from hooke.progress import showing, track
from hooke.server.job_process import Reporter
from tests.cli.tiny_lab import TinyLab


def start(lab: TinyLab, kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hooke.server.job_process", str(lab.lab.root), kind]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def test_progress_is_reported_part_by_part():
    told: list[dict[str, Any]] = []
    with showing(Reporter(told.append)):
        for _ in track(range(3), "first", total=3, unit="tokens"):
            time.sleep(0.01)
        list(track(range(2), "second"))
    steps = told[-1]["progress"]
    assert [(step["name"], step["done"], step["unit"], step["is_over"]) for step in steps] == [
        ("first", 3, "tokens", True),
        ("second", 2, "steps", True),
    ]
    assert 0 < steps[0]["rate"] < 110


@pytest.mark.parametrize(
    ("asked", "event", "code"), [("tiny", "result", 0), ("nothing", "problem", 1)], ids=["done", "refused"]
)
def test_the_last_line_is_the_result_or_the_refusal(server_lab: TinyLab, asked: str, event: str, code: int):
    with start(server_lab, "map") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"dictionary": asked}) + "\n")
        process.stdin.flush()
        last = json.loads(process.stdout.readlines()[-1])
        process.wait(60)
    assert list(last) == [event]
    assert process.returncode == code


def test_a_job_ends_with_its_server(server_lab: TinyLab):
    # More text than can be read in the time that the test waits.
    arguments = {
        "dictionary": "bare",
        "model": str(server_lab.model),
        "tokens": 10**7,
        "corpus": str(server_lab.corpus),
    }
    with start(server_lab, "index") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(arguments) + "\n")
        process.stdin.flush()
        assert "progress" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(30) == 1
