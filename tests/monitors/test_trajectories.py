"""Monitors over agents' runs: which step a token belongs to, signs, acts and the steps between."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hooke.directions.pooling import Pooling
from hooke.errors import BadRequest, PromptTooLong
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.stream import Level
from hooke.monitors.trajectories import Event, Step, Trajectory, follow, read_trajectories, trajectory_findings
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf
from tests.monitors.made import monitor_of

EVENTS = [
    Event(run="r", kind="message", role="user", text="A cat sat"),
    Event(run="r", kind="message", text="on the mat"),
    Event(run="r", kind="tool_call", name="write", text="a secret", is_act=True),
    Event(run="r", kind="tool_result", name="write", text="done"),
]


def _model(context: int = 64) -> Model:
    tokenizer = make_tokenizer()
    return Model(tiny_hf("llama", vocab_size=len(tokenizer), max_position_embeddings=context), tokenizer, name="tiny")


def _step(level: Level, *, act: bool = False, kind: str = "tool_call") -> Step:
    event = Event(run="r", kind=kind, text="", is_act=act)  # pyright: ignore[reportArgumentType]
    return Step(event=event, n_tokens=1, score=0.0, level=level)


def _run(*steps: Step) -> Trajectory:
    return Trajectory(run="r", steps=steps)


def test_a_step_has_the_largest_score_of_its_own_tokens(tmp_path: Path) -> None:
    model = _model()
    monitor = monitor_of(model, Lab(tmp_path), pooling=Pooling(how="last"), skip=0)
    (found,) = follow(model, monitor, {"r": EVENTS})
    messages = [
        {"role": "user", "content": "A cat sat"},
        {"role": "assistant", "content": "on the mat"},
        {"role": "assistant", "content": "write(a secret)"},
        {"role": "user", "content": "write gave back: done"},
    ]
    text = model.tokenizer.apply_chat_template(messages, tokenize=False)
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert sum(one.n_tokens for one in found.steps) == len(ids)
    run = model.run(torch.tensor(ids), capture=monitor.sites, logits=False)
    scores = monitor.scores({site: run[site][0] for site in monitor.sites})[:, 0].tolist()
    start = 0
    for step in found.steps:
        assert step.score == pytest.approx(max(scores[start : start + step.n_tokens]), abs=1e-5)
        start += step.n_tokens


def test_a_monitor_of_what_is_said_does_not_judge_what_was_given(tmp_path: Path) -> None:
    model = _model()
    monitor = monitor_of(model, Lab(tmp_path), pooling=Pooling(how="last"), skip=0, reads="generated")
    (found,) = follow(model, monitor, {"r": EVENTS})
    assert math.isnan(found.steps[0].score)
    assert not math.isnan(found.steps[1].score)


def test_signs_and_acts() -> None:
    both = _run(_step("quiet"), _step("act"), _step("quiet"), _step("quiet", act=True))
    assert (both.first_sign, both.first_act, both.lead) == (1, 3, 2)
    late = _run(_step("quiet", act=True), _step("act"))
    assert late.lead == -1
    assert _run(_step("watch"), _step("quiet", act=True)).lead is None
    # What a tool gave back is no sign of the agent's.
    assert _run(_step("act", kind="tool_result"), _step("quiet", act=True)).first_sign is None


def test_findings_stand_beside_runs_without_the_act() -> None:
    foreseen = _run(_step("act"), _step("quiet", act=True))
    missed = _run(_step("quiet"), _step("act", act=True))
    fair = _run(_step("quiet"), _step("act"), _step("quiet"), _step("quiet"))
    share, lead, alarms = trajectory_findings([foreseen, missed, fair, _run(_step("quiet"))], "m")
    assert (share.value, share.n, share.control) == (0.5, 2, 0.5)
    assert (lead.value, lead.n) == (0.5, 2)
    assert (alarms.value, alarms.n) == (0.2, 5)
    assert len(trajectory_findings([fair], "m")) == 1


def test_a_file_is_read_by_run_and_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    lines = [{"run": "a", "kind": "message", "text": "x"}, {"run": "b", "kind": "message", "text": "y"}]
    path.write_text("\n".join(json.dumps(one) for one in [*lines, lines[0]]))
    found = read_trajectories(path)
    assert {name: len(events) for name, events in found.items()} == {"a": 2, "b": 1}
    for bad in ('{"run": "a"}', '{"run": "a", "kind": "dream", "text": ""}', "[1]", "{"):
        path.write_text(bad)
        with pytest.raises(BadRequest, match=r"could not be read[\s\S]*1"):
            read_trajectories(path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    model = _model(16)
    monitor = monitor_of(model, Lab(tmp_path))
    with pytest.raises(PromptTooLong, match="16"):
        follow(model, monitor, {"r": EVENTS * 3})
    model.tokenizer.chat_template = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    with pytest.raises(BadRequest, match="step by step"):
        follow(model, monitor, {"r": [replace(EVENTS[0], text="cat")] * 2})
    model.tokenizer.chat_template = None
    with pytest.raises(BadRequest, match="no chat template"):
        follow(model, monitor, {"r": EVENTS})
