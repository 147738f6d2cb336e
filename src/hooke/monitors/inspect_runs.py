"""Runs of Inspect's agents, read by monitors while they happen, and a scorer of what the monitors made of them.

    watching = watch_inspect(model, [monitor], file=Path("runs.jsonl"), is_act=is_act)
    inspect_ai.eval(Task(dataset, solver, scorer=watching.scorer()), model=...)

The package inspect-ai is optional, and imported here only. What an agent says, calls and is given becomes an `Event`
of a trajectory; calls of models in roles of their own and all that scorers do are no part of it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hooke.configs import to_dict
from hooke.errors import BadRequest, HookeError
from hooke.models.model import Model
from hooke.monitors.append_file import append_line
from hooke.monitors.spec import not_calibrated
from hooke.monitors.stream import OpenMonitor
from hooke.monitors.trajectories import Event, Following, Trajectory, told

_NAME = "hooke"


def watch_inspect(
    model: Model,
    monitors: Sequence[OpenMonitor],
    *,
    file: Path | None = None,
    is_act: Callable[[Event], bool] = lambda _: False,
) -> "Watching":
    """Watch all of Inspect's runs in this process from now on; who watched before does so no more.

    Args:
        model: what monitors read with; the agent may speak with another.
        file: where events are written as they happen, for `hooke monitor follow`.
        is_act: whether an event is the act that is to be foreseen.

    Raises:
        BadRequest: inspect-ai is not installed, the file is already there, or a monitor has no thresholds.
    """
    try:
        from inspect_ai.hooks import Hooks, hooks  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        do = "Run: pip install 'hooke[inspect]'"
        raise BadRequest("Inspect's runs need the package inspect-ai.", "It is not installed.", do) from error
    for one in monitors:
        if one.spec.act is None:
            raise not_calibrated(one.name)
    if file is not None and file.exists():
        raise BadRequest(f"'{file}' is already there.", "Runs of two evaluations would be mixed.", "Name a new file.")
    watching = Watching(model, tuple(monitors), file, is_act)

    @hooks(name=_NAME, description="hooke's monitors read what agents do")
    class _Hooks(Hooks):
        """What Inspect tells while agents run."""

        async def on_sample_attempt_start(self, data: Any) -> None:
            """Begin a run anew."""
            again = f", try {data.attempt}" if data.attempt > 1 else ""
            watching.begin(data.sample_id, f"{data.summary.id}, epoch {data.summary.epoch}{again}")

        async def on_sample_event(self, data: Any) -> None:
            """Read one more event."""
            watching.see(data.sample_id, [data.event])

        async def on_sample_end(self, data: Any) -> None:
            """Keep what was found."""
            watching.end(data.sample_id)

    assert _Hooks
    return watching


@dataclass
class Recorder:
    """Events of one run, out of what Inspect tells of it; what was told before is told again, and counts once."""

    run: str
    """Its name."""
    is_act: Callable[[Event], bool]
    """Whether an event is the act."""
    _seen: set[str] = field(default_factory=set)
    _is_over: bool = False

    def see(self, inspected: Any) -> list[Event]:
        """The events in one of Inspect's, which comes when the call is done."""
        if self._is_over or inspected.pending or self._known(f"event {inspected.uuid}"):
            return []
        found: list[Event] = []
        match inspected.event:
            case "span_begin":
                self._is_over = inspected.name == "scorers"
            case "model" if inspected.role is None:
                said = [inspected.output.message] if inspected.output.choices else []
                found = [event for one in (*inspected.input, *said) for event in self._of_message(one)]
            case "tool" if not self._known(f"result {inspected.id}"):
                text = inspected.error.message if inspected.error is not None else _text(inspected.result)
                found = [Event(run=self.run, kind="tool_result", name=inspected.function, text=text)]
        return [replace(one, is_act=bool(self.is_act(one))) for one in found]

    def _of_message(self, message: Any) -> list[Event]:
        text = _text(message.content)
        if message.role == "tool":
            # Tools that run elsewhere leave no event of their own: what they gave is told with the next call.
            is_new = not self._known(f"result {message.tool_call_id}")
            name = message.function or ""
            return [Event(run=self.run, kind="tool_result", name=name, text=text)] if is_new else []
        if self._known(f"message {message.id or [message.role, text]}"):
            return []
        found = [Event(run=self.run, kind="message", role=message.role, text=text)] if text.strip() else []
        for call in (message.role == "assistant" and message.tool_calls) or ():
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            found.append(Event(run=self.run, kind="tool_call", name=call.function, text=arguments))
        return found

    def _known(self, key: str) -> bool:
        is_known = key in self._seen
        self._seen.add(key)
        return is_known


@dataclass
class _Run:
    recorder: Recorder
    reading: Following
    failed: HookeError | None = None


@dataclass
class Watching:
    """Runs under the eyes of monitors."""

    model: Model
    """What monitors read with."""
    monitors: tuple[OpenMonitor, ...]
    """They."""
    file: Path | None
    """Where events are written as they happen."""
    is_act: Callable[[Event], bool]
    """Whether an event is the act."""
    found: dict[str, list[Trajectory]] = field(default_factory=dict)
    """Runs that are over, by monitor; those that could not be read to the end are left out."""
    _runs: dict[str, _Run] = field(default_factory=dict)

    def begin(self, sample: str, run: str) -> None:
        """A run begins, or begins anew."""
        self._runs[sample] = _Run(Recorder(run, self.is_act), Following(self.model, self.monitors, run))

    def see(self, sample: str, events: Sequence[Any]) -> None:
        """What Inspect tells of a run; written down, too, where the monitors can read it no further."""
        run = self._runs[sample]
        for event in (one for inspected in events for one in run.recorder.see(inspected)):
            if self.file is not None:
                append_line(self.file, (json.dumps(to_dict(event), ensure_ascii=False) + "\n").encode(), sync=False)
            if run.failed is None:
                try:
                    run.reading.see(event)
                except HookeError as error:
                    run.failed = error

    def end(self, sample: str) -> None:
        """A run is over."""
        run = self._runs.pop(sample)
        if run.failed is None:
            for monitor, one in zip(self.monitors, run.reading.trajectories, strict=True):
                self.found.setdefault(monitor.name, []).append(one)

    def scorer(self) -> Any:
        """A scorer for Inspect: by monitor the largest score; in the metadata every step, first sign and first act."""
        from inspect_ai.log import transcript  # pyright: ignore[reportMissingImports]
        from inspect_ai.scorer import Score, mean, scorer, stderr  # pyright: ignore[reportMissingImports]

        @scorer(metrics={"*": [mean(), stderr()]}, name=_NAME)
        def monitors() -> Any:
            async def score(state: Any, target: Any) -> Any:
                if state.uuid not in self._runs:
                    self.begin(state.uuid, f"{state.sample_id}, epoch {state.epoch}")
                # Hooks hear of events a little later than the transcript does.
                self.see(state.uuid, list(transcript().events))
                run = self._runs[state.uuid]
                if run.failed is not None:
                    return Score.unscored(reason="monitor_failed", explanation=str(run.failed))
                both = {one.name: run for one, run in zip(self.monitors, run.reading.trajectories, strict=True)}
                return Score(
                    value={name: one.largest for name, one in both.items()},
                    explanation="; ".join(f"{name}: {_sentence(one)}" for name, one in both.items()),
                    metadata={name: told(one) for name, one in both.items()},
                )

            return score

        return monitors()


def _sentence(run: Trajectory) -> str:
    sign = "no sign" if run.first_sign is None else f"first sign at step {run.first_sign}"
    act = "no act" if run.first_act is None else f"first act at step {run.first_act}"
    return f"{sign}, {act}, of {len(run.steps)}; largest score {run.largest:.3f}"


def _text(content: Any) -> str:
    """The words of a content; what is no text is named by its kind."""
    if not isinstance(content, list):
        return str(getattr(content, "text", content))
    kinds = {"text": lambda one: one.text, "reasoning": lambda one: one.reasoning}
    return "\n".join(kinds.get(one.type, lambda one: f"[{one.type}]")(one) for one in content)
