"""`hooke monitor follow`: a monitor over the steps of agents' runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from hooke.cli.answer import Answer
from hooke.cli.claims import claims
from hooke.cli.monitor import MODEL
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.pages.numerals import number, visible

if TYPE_CHECKING:
    from hooke.monitors.trajectories import Trajectory

_WORDS = 60


def follow(
    name: str,
    file: Path,
    /,
    *,
    model: str = MODEL,
    show: int = 3,
    force: bool = False,
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Run a monitor over what an agent did, step by step: when it first showed, and when it first acted.

    Parameters
    ----------
    name
        A calibrated monitor of the lab.
    file
        A .jsonl file with an event in each line: run, kind (message, tool_call, tool_result), text, and for messages a
        role, for tools a name; is_act where it is the act that is to be foreseen.
    model
        The model that it was made for.
    show
        How many runs to show step by step.
    force
        Take the monitor although it was made for another model or template, or has expired.
    """
    from hooke.monitors.spec import load_spec, not_calibrated
    from hooke.monitors.stream import open_monitor
    from hooke.monitors.trajectories import follow as read
    from hooke.monitors.trajectories import read_trajectories, told, trajectory_findings

    spec, runs = load_spec(everywhere.lab, name), read_trajectories(file)
    if spec.act is None:
        raise not_calibrated(name)
    opened = loading.load(model, everywhere.lab)
    found = read(opened, open_monitor(spec, opened, everywhere.lab, force=force), runs)
    findings = trajectory_findings(found, name)
    rows = [
        (one.run, str(len(one.steps)), *(number(at) for at in (one.first_sign, one.first_act, one.lead)))
        for one in found
    ]
    columns = ("run", "steps>", "first sign>", "first act>", "steps between>")
    shown = [
        title(name, f"{len(found)} runs of {file.name}"),
        *claims(findings, prefix=f"{name}: "),
        table(columns, rows),
    ]
    for one in found[:show]:
        shown += ["", title(one.run), _steps(one)]
    about = f"steps are counted from 0; a sign is a step of the agent's own above {number(spec.act)}"
    data = {"monitor": name, "runs": [told(one) for one in found], "findings": findings}
    return Answer(data=data, shown=(*shown, note(about)))


def _steps(run: "Trajectory"):  # noqa: ANN202
    rows = []
    for at, one in enumerate(run.steps):
        event = one.event
        who = event.role if event.kind == "message" else event.name
        text = visible(" ".join(event.text.split()))
        short = text if len(text) <= _WORDS else f"{text[:_WORDS]}…"
        rows.append(
            (str(at), event.kind.replace("_", " "), who, number(one.score), one.level, "act" * event.is_act, short)
        )
    return table(("step>", "", "", "score>", "level", "", "text"), rows)
