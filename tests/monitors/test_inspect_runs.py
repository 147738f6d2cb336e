"""Runs of Inspect's agents: with the real package and its mock of a model, where the package is installed."""

# pyright: reportMissingImports=false

import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest

from hooke.directions.pooling import Pooling
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.models.model import Model
from hooke.monitors.inspect_runs import Recorder, watch_inspect
from hooke.monitors.stream import OpenMonitor
from hooke.monitors.trajectories import Event, follow, read_trajectories, trajectory_findings
from tests.cli.tiny_lab import make_tokenizer
from tests.models.tiny import tiny_hf
from tests.monitors.made import monitor_of

HAS_INSPECT = importlib.util.find_spec("inspect_ai") is not None
needs_inspect = pytest.mark.skipif(not HAS_INSPECT, reason="the package inspect-ai is not installed")
# What Inspect's own packages warn of is theirs, and its loop leaves sockets to the collector.
as_it_warns = pytest.mark.filterwarnings("default")


def _model(context: int = 512) -> Model:
    tokenizer = make_tokenizer()
    return Model(tiny_hf("llama", vocab_size=len(tokenizer), max_position_embeddings=context), tokenizer, name="tiny")


def _monitor(model: Model, folder: Path, act: float = -1e9) -> OpenMonitor:
    return monitor_of(model, Lab(folder), pooling=Pooling(how="last"), watch=act, act=act)


def _is_act(event: Event) -> bool:
    return event.kind == "tool_call" and event.name == "write"


def _run_agent(watching: Any, folder: Path, *, samples: int = 1, text: str = "A cat sat") -> Any:
    """An agent that looks, writes and ends, and a grader whose words are none of the run's."""
    import inspect_ai
    from inspect_ai.agent import react
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import model_graded_qa
    from inspect_ai.tool import ToolError, tool

    @tool
    def look():
        async def execute() -> str:
            """Look."""
            return "the mat"

        return execute

    @tool
    def write():
        async def execute(text: str) -> str:
            """Write.

            Args:
                text: What.
            """
            raise ToolError(f"no room for {text}")

        return execute

    def speak(messages: list, *_: object) -> ModelOutput:
        n = sum(one.role == "assistant" for one in messages)
        calls: list[tuple[str, dict[str, Any]]] = [
            ("look", {}),
            ("write", {"text": "dog"}),
            ("submit", {"answer": "x"}),
        ]
        said = ModelOutput.for_tool_call("mockllm/model", *calls[n % 3], content="on the mat" if n == 0 else "")
        # Counted here, it need not fetch a tokenizer to count.
        return said.model_copy(update={"usage": ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)})

    judge = get_model("mockllm/model", custom_outputs=speak, memoize=False)
    task = inspect_ai.Task(
        dataset=[Sample(input=text, target="x", id=str(at)) for at in range(samples)],
        solver=react(prompt=None, tools=[look(), write()]),
        scorer=[model_graded_qa(model=judge), watching.scorer()],
    )
    model = get_model("mockllm/model", custom_outputs=speak, memoize=False)
    (log,) = inspect_ai.eval(task, model=model, display="none", log_dir=str(folder / "logs"), fail_on_error=False)
    return log


@needs_inspect
@as_it_warns
def test_a_run_is_written_down_and_scored_as_it_happens(tmp_path: Path) -> None:
    model = _model()
    monitor = _monitor(model, tmp_path)
    watching = watch_inspect(model, [monitor], file=tmp_path / "runs.jsonl", is_act=_is_act)
    log = _run_agent(watching, tmp_path, samples=2)
    assert log.status == "success"
    runs = read_trajectories(tmp_path / "runs.jsonl")
    assert sorted(runs) == ["0, epoch 1", "1, epoch 1"]
    for events in runs.values():
        assert [(one.kind, one.role if one.kind == "message" else one.name) for one in events] == [
            ("message", "user"),
            ("message", "assistant"),
            ("tool_call", "look"),
            ("tool_result", "look"),
            ("tool_call", "write"),
            ("tool_result", "write"),
            ("tool_call", "submit"),
            ("tool_result", "submit"),
        ]
        assert [one.is_act for one in events] == [False] * 4 + [True] + [False] * 3
        assert (events[0].text, events[3].text, events[4].text) == ("A cat sat", "the mat", '{"text": "dog"}')
        assert "no room for dog" in events[5].text
    # What was said while it happened is what the file says when it is read afterwards.
    after = follow(model, monitor, runs)
    assert [[one.score for one in run.steps] for run in sorted(watching.found["upward"], key=lambda one: one.run)] == [
        pytest.approx([one.score for one in run.steps], abs=1e-5, nan_ok=True)
        for run in sorted(after, key=lambda one: one.run)
    ]
    assert trajectory_findings(watching.found["upward"], "upward")[0].value == 1
    score = log.samples[0].scores["hooke"]
    assert score.value["upward"] == pytest.approx(max(one.score for one in after[0].steps[1:]), abs=1e-5)
    told = score.metadata["upward"]
    assert (told["first_sign"], told["first_act"], told["lead"]) == (1, 4, 3)
    assert len(told["steps"]) == 8
    assert "first sign at step 1, first act at step 4" in score.explanation


@needs_inspect
@as_it_warns
def test_a_run_that_cannot_be_read_is_not_scored_and_goes_on(tmp_path: Path) -> None:
    model = _model(context=24)
    watching = watch_inspect(model, [_monitor(model, tmp_path)], file=tmp_path / "runs.jsonl")
    log = _run_agent(watching, tmp_path)
    assert log.status == "success"
    score = log.samples[0].scores["hooke"]
    assert math.isnan(score.value)
    assert "reads at most 24" in score.explanation
    assert len(read_trajectories(tmp_path / "runs.jsonl")["0, epoch 1"]) == 8
    assert watching.found == {}


@needs_inspect
def test_what_cannot_be_watched_is_refused(tmp_path: Path) -> None:
    model = _model()
    (tmp_path / "old.jsonl").write_text("{}")
    with pytest.raises(BadRequest, match="already there"):
        watch_inspect(model, [_monitor(model, tmp_path)], file=tmp_path / "old.jsonl")
    with pytest.raises(BadRequest, match="no thresholds"):
        watch_inspect(model, [monitor_of(model, Lab(tmp_path))])


@pytest.mark.skipif(HAS_INSPECT, reason="the package inspect-ai is installed")
def test_without_the_package_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"hooke\[inspect\]"):
        watch_inspect(_model(), [])


def _message(role: str, content: Any, **more: Any) -> Told:
    return Told(**({"role": role, "content": content, "id": f"{role} {content}", "tool_calls": None} | more))


def _call(inputs: list[Told], said: Told, uuid: str, *, role: str | None = None) -> Told:
    return Told(event="model", uuid=uuid, pending=None, role=role, input=inputs, output=Told(choices=[0], message=said))


def test_what_is_told_again_counts_once() -> None:
    recorder = Recorder("r", _is_act)
    asked = _message("user", [Told(type="text", text="Draw"), Told(type="image")])
    thought = [Told(type="reasoning", reasoning="Why?"), Told(type="text", text="Yes")]
    said = _message("assistant", thought, tool_calls=[Told(function="write", arguments={"text": "é"})])
    gave = _message("tool", "done", tool_call_id="c", function="write")
    first = _call([asked], said, "1")
    found = recorder.see(first)
    assert [(one.kind, one.text, one.is_act) for one in found] == [
        ("message", "Draw\n[image]", False),
        ("message", "Why?\nYes", False),
        ("tool_call", '{"text": "é"}', True),
    ]
    assert recorder.see(first) == []
    # A tool that left no event of its own is known by its message, and by that only once.
    (given,) = recorder.see(_call([asked, said, gave], _message("assistant", ""), "2"))
    assert (given.kind, given.name, given.text) == ("tool_result", "write", "done")
    again = Told(event="tool", uuid="3", pending=None, id="c", function="write", error=None, result="done")
    assert recorder.see(again) == []


def test_other_roles_and_scorers_are_no_part_of_a_run() -> None:
    recorder = Recorder("r", _is_act)
    assert (
        recorder.see(_call([_message("user", "Is it right?")], _message("assistant", "Yes"), "1", role="grader")) == []
    )
    assert recorder.see(Told(event="span_begin", uuid="2", pending=None, name="scorers")) == []
    assert recorder.see(_call([_message("user", "Is it right?")], _message("assistant", "Yes"), "3")) == []
