"""Run benchmark scripts in turns, each by its own environment's Python, and keep what they report.

A script prints one JSON object on its last line. Scripts of one task are run A B C, A B C, ..., so that a drift of the
machine meets all of them alike; the tables show medians over the rounds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results"

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "WANDB_MODE": "disabled",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One script to run in one environment."""

    tool: str
    """Who is measured, for progress and for failures."""
    python: Path
    """Interpreter of the tool's environment."""
    script: Path
    """Program that prints the report."""
    arguments: tuple[str, ...] = ()
    """Its command line."""
    timeout: float = 900.0
    """Seconds after which it counts as failed."""


def run_in_turns(jobs: Sequence[Job], rounds: int) -> list[dict[str, Any]]:
    """Reports of every job in every round, in the order of their runs; a failed job leaves {"tool", "failed"}."""
    reports = []
    for number in range(rounds):
        for job in jobs:
            started = time.monotonic()
            reported = run_job(job) | {"round": number}
            outcome = reported.get("failed", "done")
            say(f"round {number + 1}/{rounds}  {job.tool:20s} {outcome} in {time.monotonic() - started:.0f} s")
            reports.append(reported)
    return reports


def run_job(job: Job) -> dict[str, Any]:
    """What one script reports, or {"tool", "failed"} with the last line of its complaint."""
    if not job.python.exists():
        return {"tool": job.tool, "failed": "its environment is not built: python bench/environments.py"}
    command = [str(job.python), str(job.script), *job.arguments]
    # A peer must see its own packages only.
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH" or job.python == Path(sys.executable)
    }
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=job.timeout, env=environment | OFFLINE, check=False
        )
    except subprocess.TimeoutExpired:
        return {"tool": job.tool, "failed": f"not done after {job.timeout:.0f} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"tool": job.tool, "failed": lines[-1]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine_facts() -> dict[str, Any]:
    """What this machine is, and its load and matrix-product speed at this moment."""
    script = "import measure, torch; print(measure.matmul_gflops(), torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BENCH / "peers", capture_output=True, text=True, check=True
    )
    gflops, threads = done.stdout.split()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "threads": int(threads),
        "matmul_gflops": float(gflops),
        "load": os.getloadavg()[0],
    }


def medians(reports: Iterable[dict[str, Any]], keys: Sequence[str], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """One row per distinct value of `keys`, in order of first appearance, with the median of each of `numbers`."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in reports:
        groups.setdefault(tuple(one.get(key) for key in keys), []).append(one)
    rows = []
    for values, members in groups.items():
        row = dict(zip(keys, values, strict=True)) | {"n": len(members)}
        for number in numbers:
            found = [member[number] for member in members if member.get(number) is not None]
            if found:
                row[number] = median(found)
        rows.append(row)
    return rows


def save(name: str, content: dict[str, Any]) -> Path:
    """The path of bench/results/NAME.json, written whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(content, indent=1) + "\n")
    aside.replace(path)
    return path


def say(line: str) -> None:
    """One line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"
