"""Training runs of the lab: what is trained, how far it is, and its curves, also while they grow."""

import json
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from hooke.errors import UnknownName, did_you_mean
from hooke.lab import Lab
from hooke.server.residents import ResidentsHere
from hooke.training.curves import decimated, read_log

router = APIRouter(prefix="/api/runs", tags=["runs"])

ABOUT = {
    "loss": "what training lowers: reconstruction error and whatever the kind adds to it",
    "divergence": "nats per token by which predictions on the reconstruction differ from the model's own",
    "error": "squared error of the reconstruction over each token's squared distance from the mean",
    "fvu": "share of variance unexplained, on the batch in hand",
    "l0": "active features per token",
    "dead_share": "share of features that have not fired for long",
    "dense_share": "share of features that fire on more than a tenth of tokens",
    "lr": "learning rate",
    "tokens_per_second": "speed",
    "step": "steps of the optimiser",
}


class RunOut(BaseModel):
    """A training run."""

    name: str
    """Name of the dictionary that it makes."""
    is_finished: bool
    """Whether its dictionary is there."""
    model: str
    """The model whose activations it reads; empty where the run does not say."""
    site: str
    """The site; empty where the run does not say."""
    tokens: int
    """Tokens seen."""
    total_tokens: int | None
    """Tokens that it is to see, where known."""
    last: dict[str, float | None]
    """The last line of the log."""
    updated: float
    """When the log was written last, in seconds since 1970."""


class RunList(BaseModel):
    """The lab's training runs."""

    items: list[RunOut]
    """Unfinished ones first, then by name."""
    next: str | None
    """Always null: the list is short."""
    total: int
    """How many there are."""


class RunDetail(RunOut):
    """A run with its settings."""

    settings: dict[str, str | int | float | bool | None]
    """What it was told."""
    n_lines: int
    """Lines of its log."""
    metrics: dict[str, str]
    """Curves that it has, with what each means."""


class Curve(BaseModel):
    """One metric over the tokens seen."""

    tokens: list[int]
    """Tokens seen at each point."""
    values: list[float | None]
    """The metric; null where it was not finite."""


class RunMetrics(BaseModel):
    """Curves of a run."""

    name: str
    """The run."""
    is_finished: bool
    """Whether it is done: then nothing more will come."""
    next_since: int
    """Lines read so far: ask with `since` of this for what comes later."""
    is_restart: bool
    """True where the log is shorter than `since` (the run was begun again): all lines are sent."""
    curves: dict[str, Curve]
    """By metric. Of each stretch of a long curve the smallest and the largest value are kept."""
    about: dict[str, str]
    """What each metric means."""


@router.get("")
def list_runs(here: ResidentsHere) -> RunList:
    """Training runs, finished and under way."""
    runs = [_run(here.lab, name) for name in run_names(here.lab)]
    runs.sort(key=lambda run: (run.is_finished, run.name))
    return RunList(items=runs, next=None, total=len(runs))


@router.get("/{run}")
def get_run(run: str, here: ResidentsHere) -> RunDetail:
    """One run with its settings."""
    folder, _ = _folder(here.lab, run)
    entry = _run(here.lab, run)
    lines = read_log(folder / "training.jsonl")
    metrics = {key: ABOUT.get(key, "") for line in lines[-1:] for key in line if key != "tokens"}
    return RunDetail(**entry.model_dump(), settings=_settings(folder), n_lines=len(lines), metrics=metrics)


@router.get("/{run}/metrics")
def run_metrics(
    run: str,
    here: ResidentsHere,
    since: Annotated[int, Query(ge=0)] = 0,
    points: Annotated[int, Query(ge=2, le=2000)] = 1000,
) -> RunMetrics:
    """Curves of a run, decimated to at most `points` points each; with `since` only lines from there on."""
    folder, is_finished = _folder(here.lab, run)
    lines = read_log(folder / "training.jsonl")
    is_restart = since > len(lines)
    fresh = lines if is_restart else lines[since:]
    curves = decimated(fresh, points)
    return RunMetrics(
        name=run,
        is_finished=is_finished,
        next_since=len(lines),
        is_restart=is_restart,
        curves={name: Curve(tokens=tokens, values=values) for name, (tokens, values) in curves.items()},
        about={name: ABOUT.get(name, "") for name in curves},
    )


def run_names(lab: Lab) -> list[str]:
    """Names of the lab's training runs."""
    folder = lab.root / "dictionaries"
    done = [name for name in lab.names("dictionaries") if (folder / name / "training.jsonl").is_file()]
    works = sorted(folder.glob(".*.training/training.jsonl")) if folder.is_dir() else []
    return sorted({*done, *(path.parent.name.removeprefix(".").removesuffix(".training") for path in works)})


def _folder(lab: Lab, run: str) -> tuple[Path, bool]:
    """Where a run's log is, and whether the run is done; a run that is begun again counts as under way."""
    path = lab.path("dictionaries", run)
    work = path.parent / f".{run}.training"
    for folder, is_finished in ((work, False), (path, True)):
        if (folder / "training.jsonl").is_file():
            return folder, is_finished
    names = run_names(lab)
    raise UnknownName(
        f"No training run '{run}' in the lab.",
        did_you_mean(run, names) or (f"There are: {', '.join(names[:8])}." if names else "There are none yet."),
        "Start one: hooke train NAME",
    )


def _run(lab: Lab, name: str) -> RunOut:
    folder, is_finished = _folder(lab, name)
    lines = read_log(folder / "training.jsonl")
    last = lines[-1] if lines else {}
    settings = _settings(folder)
    total = settings.get("n_tokens")
    return RunOut(
        name=name,
        is_finished=is_finished,
        model=str(settings.get("model") or ""),
        site=str(settings.get("site") or ""),
        tokens=int(last.get("tokens") or 0),
        total_tokens=int(total) if isinstance(total, int | float) else None,
        last=last,
        updated=(folder / "training.jsonl").stat().st_mtime,
    )


def _settings(folder: Path) -> dict[str, str | int | float | bool | None]:
    """What a run was told: from its provenance where it is finished; empty where nothing can be read."""
    try:
        inputs = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["inputs"]
        told = {**inputs.get("config", {}), "model": inputs.get("model"), "site": inputs.get("site")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {key: value for key, value in told.items() if isinstance(value, str | int | float | bool | None)}
