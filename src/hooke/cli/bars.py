"""Progress of long jobs on standard error: a bar with rate and time left, or a line every ten seconds."""

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0
SHORTEST_SUMMARY = 2.0
"""Jobs of fewer seconds leave no line behind."""


def sink_for(console: Console) -> "Bars | Lines":
    """Bars where somebody watches, lines where the output is kept."""
    return Bars(console) if console.is_terminal else Lines(console)


def duration(seconds: float | int) -> str:
    """Seconds as people say them: "8 s", "1 min 05 s", "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def amount(value: float | int) -> str:
    """A count with thousands apart, or a small rate with its digits."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


@dataclass(slots=True)
class _Job:
    total: float | None
    unit: str
    began: float = field(default_factory=lambda: time.monotonic())
    told: float = field(default_factory=lambda: time.monotonic())
    done: float = 0.0
    note: str = ""

    def state(self) -> str:
        """How far it is, how fast, and how long it still takes."""
        seconds = time.monotonic() - self.began
        rate = self.done / seconds if seconds > 0 else 0.0
        text = amount(self.done)
        if self.total:
            text += f" of {amount(self.total)} {self.unit} ({100 * self.done / self.total:.0f} %)"
        else:
            text += f" {self.unit}"
        if rate > 0:
            text += f", {amount(rate)} {self.unit}/s"
        if self.total and rate > 0:
            text += f", {duration((self.total - self.done) / rate)} left"
        return f"{text} · {self.note}" if self.note else text

    def summary(self) -> str:
        """What was done, in which time, at which rate."""
        seconds = time.monotonic() - self.began
        return f"{amount(self.done)} {self.unit} in {duration(seconds)} ({amount(self.done / seconds)} {self.unit}/s)"

    @property
    def is_worth_a_summary(self) -> bool:
        return time.monotonic() - self.began >= SHORTEST_SUMMARY and self.done > 0


class Lines:
    """A line for each job every ten seconds, and one at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._jobs: dict[str, _Job] = {}

    def start(self, job: str, total: float | None, unit: str) -> None:
        """A job begins."""
        self._jobs[job] = _Job(total, unit)

    def advance(self, job: str, amount: float) -> None:
        """A job is further by this much."""
        state = self._jobs[job]
        state.done += amount
        if time.monotonic() - state.told >= SECONDS_BETWEEN_LINES:
            state.told = time.monotonic()
            self._say(f"{job}: {state.state()}")

    def note(self, job: str, text: str) -> None:
        """What else there is to say of a job from now on."""
        self._jobs[job].note = text

    def finish(self, job: str) -> None:
        """A job ends, done or not."""
        state = self._jobs.pop(job)
        if state.is_worth_a_summary:
            self._say(f"{job}: {state.summary()}")

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _StateColumn(ProgressColumn):
    """Count, rate and time left, in the words of the lines."""

    def render(self, task: Task) -> Text:
        """The state of the job that a bar stands for."""
        return Text(task.fields["job"].state())


class Bars:
    """A bar for each job that runs; when it ends the bar gives way to one line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._jobs: dict[str, tuple[TaskID, _Job]] = {}

    def start(self, job: str, total: float | None, unit: str) -> None:
        """A job begins."""
        if self._progress is None:
            columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), _StateColumn()
            self._progress = Progress(*columns, console=self._console, transient=True, refresh_per_second=4)
            self._progress.start()
        state = _Job(total, unit)
        self._jobs[job] = (self._progress.add_task(job, total=total, job=state), state)

    def advance(self, job: str, amount: float) -> None:
        """A job is further by this much."""
        task, state = self._jobs[job]
        state.done += amount
        if self._progress is not None:
            self._progress.update(task, completed=state.done)

    def note(self, job: str, text: str) -> None:
        """What else there is to say of a job from now on."""
        self._jobs[job][1].note = text

    def finish(self, job: str) -> None:
        """A job ends, done or not."""
        task, state = self._jobs.pop(job)
        if self._progress is None:
            return
        self._progress.remove_task(task)
        if state.is_worth_a_summary:
            self._progress.console.print(f"{job}: {state.summary()}", highlight=False, markup=False, soft_wrap=True)
        if not self._jobs:
            self._progress.stop()
            self._progress = None
