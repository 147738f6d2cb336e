"""Measure hooke beside other tools in the same run, and write the tables of docs/benchmarks.md.

    python bench/run.py [harvest|training|index|import|all] [--quick] [--render]

Run it with the Python of hooke's own environment. Environments and materials that are missing are made first; that
takes some minutes, once. `--quick` shows that everything works: its numbers mean nothing and are not kept.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import environments
import tables
from harness import BENCH, RESULTS, Job, machine_facts, run_in_turns, save, say

MODEL, TOKENS, NOISE = BENCH / ".data" / "model", BENCH / ".data" / "tokens.npy", BENCH / ".data" / "noise.npy"
PEERS = BENCH / "peers"
HERE = Path(sys.executable)

TRAINERS = {
    "hooke": (HERE, BENCH / "training.py"),
    "sparsify": (environments.environment_python("sparsify"), PEERS / "train_sparsify.py"),
    "SAELens": (environments.environment_python("sae-lens"), PEERS / "train_sae_lens.py"),
    "dictionary_learning": (
        environments.environment_python("dictionary-learning"),
        PEERS / "train_dictionary_learning.py",
    ),
}

Reports = list[dict[str, Any]]


def harvest(is_quick: bool) -> Reports:
    """One residual site behind block 15 of SmolLM2, 8 windows of 256 tokens."""
    environments.ensure("transformer-lens", "nnsight")
    need_materials()
    size = ["--batch", "2", "--context", "64", "--repetitions", "1"] if is_quick else ["--repetitions", "3"]
    arguments = (str(MODEL), str(TOKENS), *size)
    python = environments.environment_python
    jobs = [
        Job(tool="hooke", python=HERE, script=BENCH / "harvest.py", arguments=arguments),
        Job(
            tool="TransformerLens",
            python=python("transformer-lens"),
            script=PEERS / "harvest_transformer_lens.py",
            arguments=arguments,
        ),
        Job(tool="nnsight", python=python("nnsight"), script=PEERS / "harvest_nnsight.py", arguments=arguments),
    ]
    return run_in_turns(jobs, _rounds(is_quick))


def training(is_quick: bool) -> Reports:
    """Steps on noise at two widths, then quality after the same real tokens."""
    environments.ensure("sparsify", "sae-lens", "dictionary-learning")
    n_rows = _n_rows(is_quick)
    need_materials(n_rows)
    speeds = [("4608", "10", "2"), ("16384", "6", "2")]
    if is_quick:
        speeds = [("1024", "3", "1")]
    reports: Reports = []
    for features, steps, warm_up in speeds:
        arguments = (str(NOISE), "--features", features, "--steps", steps, "--warm-up", warm_up)
        if is_quick:
            arguments = (*arguments, "--batch", "512")
        jobs = [
            Job(tool=name, python=python, script=script, arguments=arguments)
            for name, (python, script) in TRAINERS.items()
        ]
        reports += run_in_turns(jobs, _rounds(is_quick))
    return reports + run_in_turns(_quality_jobs(is_quick, n_rows), 1)


def _quality_jobs(is_quick: bool, n_rows: int) -> list[Job]:
    data = BENCH / ".data"
    files = [str(data / f"train-{n_rows}.npy"), "--held-out", str(data / f"held-out-{n_rows}.npy")]
    size = ["--features", "1024", "--batch", "512", "--steps", "6"] if is_quick else ["--steps", "64"]
    arguments = (*files, *size)
    jobs = [
        Job(tool=name, python=python, script=script, arguments=arguments) for name, (python, script) in TRAINERS.items()
    ]
    # sparsify's own optimizer differs from Adam and may learn faster: it is given its chance.
    python, script = TRAINERS["sparsify"]
    return [*jobs, Job(tool="sparsify", python=python, script=script, arguments=(*arguments, "--optimizer", "signum"))]


def index(is_quick: bool) -> Reports:
    """Index speed against harvest, and memory at two lengths of corpus."""
    need_materials()
    arguments = ("--quick",) if is_quick else ()
    return run_in_turns([Job(tool="hooke", python=HERE, script=BENCH / "index.py", arguments=arguments)], 1)


def imports(is_quick: bool) -> Reports:
    """Import times and install sizes of every environment."""
    environments.ensure(*environments.peers(), "hooke")
    arguments = ("--repetitions", "1" if is_quick else "3")
    return run_in_turns([Job(tool="all", python=HERE, script=BENCH / "imports.py", arguments=arguments)], 1)


TOPICS: dict[str, Callable[[bool], Reports]] = {
    "harvest": harvest,
    "training": training,
    "index": index,
    "import": imports,
}


def need_materials(n_rows: int = 0) -> None:
    """Make model folder, tokens and that many rows of activations if they are missing."""
    needed = [MODEL, TOKENS, NOISE, *([BENCH / ".data" / f"held-out-{n_rows}.npy"] if n_rows else [])]
    if not all(path.exists() for path in needed):
        say(f"making the materials ({n_rows:,} rows of activations)")
        subprocess.run([sys.executable, str(BENCH / "materials.py"), "--rows", str(n_rows)], check=True)


def measure(topic: str, is_quick: bool) -> dict[str, Any]:
    """Everything that the topic's scripts report, between two looks at the machine."""
    before, started = machine_facts(), time.monotonic()
    reports = TOPICS[topic](is_quick)
    taken = time.monotonic() - started
    return {
        "before": before,
        "after": machine_facts(),
        "seconds": taken,
        "rounds": _rounds(is_quick),
        "reports": reports,
    }


def _n_rows(is_quick: bool) -> int:
    return 16384 if is_quick else 262144


def _rounds(is_quick: bool) -> int:
    return 1 if is_quick else 2


def main(words: Sequence[str] | None = None) -> int:
    """Measure the topics asked for; 1 if a script failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("topic", choices=[*TOPICS, "all"], default="all", nargs="?")
    parser.add_argument(
        "--quick", action="store_true", help="tiny settings: shows that everything works, keeps nothing"
    )
    parser.add_argument("--render", action="store_true", help="write the tables anew from the saved results")
    asked = parser.parse_args(words)
    has_failed = False
    for topic in TOPICS if asked.topic == "all" else [asked.topic]:
        if asked.render:
            result = json.loads((RESULTS / f"{topic}.json").read_text())
        else:
            result = measure(topic, asked.quick)
            say(f"{topic}: {result['seconds']:.0f} s")
        text = tables.render(topic, result)
        print(f"{text}\n", flush=True)
        if not asked.quick:
            save(topic, result)
            tables.place(topic, text)
        has_failed |= any("failed" in report for report in result["reports"])
    return int(has_failed)


if __name__ == "__main__":
    raise SystemExit(main())
