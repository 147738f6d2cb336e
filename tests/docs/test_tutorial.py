"""The tutorial is true: every command on it runs, and so does its Python."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hooke.cli.app import main
from hooke.lab import Lab

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (hooke .+)$", PAGE, flags=re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_runs(real_lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # In this process: a dozen of their own would each import and open the same things again.
    monkeypatch.setenv("HOOKE_LAB", str(real_lab.root))
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0, command
        assert capsys.readouterr().out.strip(), command


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_python_runs_and_says_what_its_comments_say(real_lab: Lab) -> None:
    assert len(PYTHON) == 1
    environment = {**os.environ, "HOOKE_LAB": str(real_lab.root), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", PYTHON[0]], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(" Paris\n")
