"""`hooke monitor follow`, on the tiny model."""

import json
from pathlib import Path

import pytest

from hooke.monitors.spec import load_spec, save_spec
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab
from tests.monitors.made import spec_of


@pytest.fixture
def runs(tiny: TinyLab, tmp_path: Path) -> Path:
    """A monitor that is above its threshold everywhere, and two runs, one with the act."""
    from dataclasses import replace

    from hooke.models.load import load

    save_spec(tiny.lab, replace(spec_of(load(tiny.model), tiny.lab, skip=0), watch=-1e9, act=-1e9))
    events = [
        {"run": "bad", "kind": "message", "role": "user", "text": "The cat"},
        {"run": "bad", "kind": "message", "text": "<b>sat</b>"},
        {"run": "bad", "kind": "tool_call", "name": "write", "text": "cat", "is_act": True},
        {"run": "fair", "kind": "message", "role": "user", "text": "The cat"},
    ]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(map(json.dumps, events)))
    return path


def test_signs_acts_and_findings_are_told(tiny: TinyLab, hooke: Hooke, runs: Path):
    done = hooke(f"monitor follow upward {runs} --model MODEL --json")
    assert done.code == 0, done.err
    bad, fair = done.data["runs"]
    assert (bad["first_sign"], bad["first_act"], bad["lead"]) == (1, 2, 1)
    assert (fair["first_sign"], fair["first_act"], fair["lead"]) == (None, None, None)
    assert (done.data["findings"][0]["value"], done.data["findings"][0]["control"]) == (1, 0)
    shown = hooke(f"monitor follow upward {runs} --model MODEL")
    assert shown.code == 0
    assert "<b>sat</b>" in shown.out


def test_without_thresholds_it_says_what_to_do(tiny: TinyLab, hooke: Hooke, runs: Path):
    from dataclasses import replace

    save_spec(tiny.lab, replace(load_spec(tiny.lab, "upward"), watch=None, act=None))
    done = hooke(f"monitor follow upward {runs} --model MODEL")
    assert done.code == 2
    assert "calibrate" in done.err


def test_a_bad_file_is_refused_by_its_line(tiny: TinyLab, hooke: Hooke, runs: Path):
    runs.write_text('{"run": "a"}')
    done = hooke(f"monitor follow upward {runs} --model MODEL")
    assert done.code == 2
    assert "Line 1" in done.err
