"""The tutorial is true: every command on it runs, and so does its Python."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hooke.lab import Lab

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (hooke .+)$", PAGE, flags=re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def run(words: list[str], lab: Lab) -> str:
    environment = {**os.environ, "HOOKE_LAB": str(lab.root), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_command_runs(real_lab: Lab) -> None:
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        words = shlex.split(command)
        assert run([str(Path(sys.executable).with_name(words[0])), *words[1:]], real_lab).strip(), command


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_python_runs_and_says_what_its_comments_say(real_lab: Lab) -> None:
    assert len(PYTHON) == 1
    assert run([sys.executable, "-c", PYTHON[0]], real_lab).startswith(" Paris\n")
