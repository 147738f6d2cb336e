"""Measure hooke beside other tools in the same run, and write the tables of docs/benchmarks.md.

    python bench/run.py [harvest|training|encoding|index|tracing|import|server|browser|gateway|all] [--quick] [--render]

Run it with the Python of hooke's own environment. Environments and materials that are missing are made first; that
takes some minutes, once. `--quick` shows that everything works: its numbers mean nothing and are not kept.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environments
import tables
from harness import BENCH, RESULTS, Job, machine_facts, run_in_turns, save, say
from tracing_tables import ALL_ROWS

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How much is measured."""

    is_quick: bool
    """Whether only to show that everything works."""
    rates: tuple[float, ...]
    """Learning rates at which the quality of trainers is compared."""
    labs: dict[str, Path]
    """Labs that have what the server is measured on: 'starter' its text, 'million' the index that was made up."""

    @property
    def n_rows(self) -> int:
        """Number of activations to train on for the quality."""
        return 16384 if self.is_quick else 262144

    @property
    def rounds(self) -> int:
        """How often the scripts of a topic run in turns."""
        return 1 if self.is_quick else 2


def harvest(settings: Settings) -> Reports:
    """One residual site behind block 15 of SmolLM2, 8 windows of 256 tokens."""
    environments.ensure("transformer-lens", "nnsight")
    need_materials()
    size = ["--batch", "2", "--context", "64", "--repetitions", "1"] if settings.is_quick else ["--repetitions", "3"]
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
    return run_in_turns(jobs, settings.rounds)


def training(settings: Settings) -> Reports:
    """Steps on noise at two widths, then quality after the same real tokens."""
    environments.ensure("sparsify", "sae-lens", "dictionary-learning")
    n_rows = settings.n_rows
    need_materials(n_rows)
    speeds = [("4608", "10", "2"), ("16384", "6", "2")]
    if settings.is_quick:
        speeds = [("1024", "3", "1")]
    reports: Reports = []
    for features, steps, warm_up in speeds:
        arguments = (str(NOISE), "--features", features, "--steps", steps, "--warm-up", warm_up)
        if settings.is_quick:
            arguments = (*arguments, "--batch", "512")
        jobs = [
            Job(tool=name, python=python, script=script, arguments=arguments)
            for name, (python, script) in TRAINERS.items()
        ]
        reports += run_in_turns(jobs, settings.rounds)
    return reports + run_in_turns(_quality_jobs(settings), 1)


def encoding(settings: Settings) -> Reports:
    """Rows encoded with the same TopK weights."""
    environments.ensure("sparsify", "sae-lens")
    python = environments.environment_python
    width = 1024 if settings.is_quick else 8192
    folder = BENCH / ".data" / f"encoding-{width}"
    if not folder.exists():
        subprocess.run([sys.executable, str(BENCH / "encoding.py"), str(folder), "--make", str(width)], check=True)
    arguments = (str(folder), "--batch", "256", "--repetitions", "1") if settings.is_quick else (str(folder),)
    jobs = [
        Job(tool="hooke", python=HERE, script=BENCH / "encoding.py", arguments=arguments),
        Job(tool="sparsify", python=python("sparsify"), script=PEERS / "encode_sparsify.py", arguments=arguments),
        Job(tool="SAELens", python=python("sae-lens"), script=PEERS / "encode_sae_lens.py", arguments=arguments),
    ]
    return run_in_turns(jobs, settings.rounds)


def _quality_jobs(settings: Settings) -> list[Job]:
    data = BENCH / ".data"
    files = [str(data / f"train-{settings.n_rows}.npy"), "--held-out", str(data / f"held-out-{settings.n_rows}.npy")]
    size = ["--features", "1024", "--batch", "512", "--steps", "6"] if settings.is_quick else ["--steps", "64"]
    arguments = (*files, *size)
    jobs = [
        Job(tool=name, python=python, script=script, arguments=(*arguments, "--lr", str(rate)))
        for rate in settings.rates
        for name, (python, script) in TRAINERS.items()
    ]
    # sparsify's own optimizer differs from Adam and may learn faster: it is given its chance.
    python, script = TRAINERS["sparsify"]
    return [*jobs, Job(tool="sparsify", python=python, script=script, arguments=(*arguments, "--optimizer", "signum"))]


def index(settings: Settings) -> Reports:
    """Index speed against harvest, and memory at two lengths of corpus."""
    need_materials()
    arguments = ("--quick",) if settings.is_quick else ()
    return run_in_turns([Job(tool="hooke", python=HERE, script=BENCH / "index.py", arguments=arguments)], 1)


def tracing(settings: Settings) -> Reports:
    """Attribution graphs by length of the prompt, beside circuit-tracer, and beside autograd."""
    environments.ensure("circuit-tracer")
    need_materials()
    lengths, features = ((8, 16), 512) if settings.is_quick else ((8, 16, 32, 64, 128), 4096)
    folder = BENCH / ".data" / f"transcoders-{features}-{lengths[-1]}"
    if not folder.exists():
        say(f"making {folder.name}")
        size = ["--length", str(lengths[-1]), "--features", str(features)]
        script = str(BENCH / "tracing_materials.py")
        subprocess.run([sys.executable, script, str(MODEL), str(TOKENS), str(folder), *size], check=True)
    repetitions = "1" if settings.is_quick else "3"
    prompt = (str(MODEL), str(folder / "prompt.npy"))
    transcoders = ("--transcoders", str(folder))
    some = ("--rows", "50" if settings.is_quick else "1000")
    jobs = [
        Job(
            tool="hooke",
            python=HERE,
            script=BENCH / "tracing.py",
            arguments=(*prompt, *some, "--length", str(length), "--repetitions", repetitions, *basis),
        )
        for length in lengths
        for basis in ((), transcoders)
    ]
    same = (*prompt, *transcoders, "--length", "8" if settings.is_quick else "13")
    autograd = (*same, *some, "--repetitions", repetitions)
    jobs.append(Job(tool="hooke", python=HERE, script=BENCH / "tracing_autograd.py", arguments=autograd))
    with tempfile.TemporaryDirectory() as place:
        for rows in (some, ("--rows", str(ALL_ROWS))):
            arguments = (*same, *rows, "--edges", f"{place}/{rows[1]}.npz")
            jobs += _beside_circuit_tracer(arguments, repetitions)
        return run_in_turns(jobs, settings.rounds)


def _beside_circuit_tracer(arguments: tuple[str, ...], repetitions: str) -> list[Job]:
    """circuit-tracer first, since hooke's edges are compared with those that it leaves."""
    # All rows take it most of a minute, and its first and second time differ little: one repetition is enough.
    return [
        Job(
            tool="circuit-tracer",
            python=environments.environment_python("circuit-tracer"),
            script=PEERS / "trace_circuit_tracer.py",
            arguments=(*arguments, "--repetitions", "1"),
        ),
        Job(
            tool="hooke",
            python=HERE,
            script=BENCH / "tracing.py",
            arguments=(*arguments, "--repetitions", repetitions),
        ),
    ]


def imports(settings: Settings) -> Reports:
    """Import times and install sizes of every environment."""
    environments.ensure(*environments.peers(), "hooke")
    arguments = ("--repetitions", "1" if settings.is_quick else "3")
    return run_in_turns([Job(tool="all", python=HERE, script=BENCH / "imports.py", arguments=arguments)], 1)


def server(settings: Settings) -> Reports:
    """Latencies, memory and disk of the microscope at two sizes; search by meaning on paraphrases."""
    arguments = ("--quick",) if settings.is_quick else ()
    for size, lab in settings.labs.items():
        arguments += (f"--{size}", str(lab))
    # A million features take a quarter of an hour to make up and to prepare.
    jobs = [
        Job(tool="hooke", python=HERE, script=BENCH / "server.py", arguments=arguments, timeout=5400.0),
        Job(tool="hooke", python=HERE, script=BENCH / "meaning.py"),
    ]
    return run_in_turns(jobs, 1)


def browser(settings: Settings) -> Reports:
    """How long a person waits in front of the pages, and what server and tab take."""
    arguments = ("--quick",) if settings.is_quick else ()
    if settings.labs.get("starter"):
        arguments = (*arguments, "--lab", str(settings.labs["starter"]))
    return run_in_turns([Job(tool="hooke", python=HERE, script=BENCH / "browser.py", arguments=arguments)], 1)


def gateway(settings: Settings) -> Reports:
    """What monitors and steering add to a token, at several streams; one thread, since more are seldom faster here."""
    sizes = [("1", "1", "4")] if settings.is_quick else [("1", "8", "48"), ("4", "6", "48"), ("16", "4", "24")]
    jobs = [
        Job(
            tool="hooke",
            python=HERE,
            script=BENCH / "gateway.py",
            arguments=("--streams", streams, "--repeats", repeats, "--tokens", tokens),
            timeout=2400.0,
        )
        for streams, repeats, tokens in sizes
    ]
    return run_in_turns(jobs, 1)


TOPICS: dict[str, Callable[[Settings], Reports]] = {
    "harvest": harvest,
    "training": training,
    "encoding": encoding,
    "index": index,
    "tracing": tracing,
    "import": imports,
    "server": server,
    "browser": browser,
    "gateway": gateway,
}


def need_materials(n_rows: int = 0) -> None:
    """Make model folder, tokens and that many rows of activations if they are missing."""
    needed = [MODEL, TOKENS, NOISE, *([BENCH / ".data" / f"held-out-{n_rows}.npy"] if n_rows else [])]
    if not all(path.exists() for path in needed):
        say(f"making the materials ({n_rows:,} rows of activations)")
        subprocess.run([sys.executable, str(BENCH / "materials.py"), "--rows", str(n_rows)], check=True)


def measure(topic: str, settings: Settings) -> dict[str, Any]:
    """Everything that the topic's scripts report, between two looks at the machine."""
    before, started = machine_facts(), time.monotonic()
    reports = TOPICS[topic](settings)
    taken = time.monotonic() - started
    return {
        "before": before,
        "after": machine_facts(),
        "seconds": taken,
        "rounds": settings.rounds,
        "reports": reports,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure the topics asked for; 1 if a script failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("topic", choices=[*TOPICS, "all"], default="all", nargs="?")
    parser.add_argument(
        "--quick", action="store_true", help="tiny settings: shows that everything works, keeps nothing"
    )
    parser.add_argument("--render", action="store_true", help="write the tables anew from the saved results")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3], help="learning rates for the quality")
    for size in ("starter", "million"):
        parser.add_argument(f"--{size}", type=Path, help=f"topic server: a lab that has what '{size}' needs already")
    asked = parser.parse_args(words)
    labs = {size: lab for size in ("starter", "million") if (lab := getattr(asked, size)) is not None}
    settings = Settings(is_quick=asked.quick, rates=tuple(asked.rates), labs=labs)
    has_failed = False
    for topic in TOPICS if asked.topic == "all" else [asked.topic]:
        if asked.render:
            result = json.loads((RESULTS / f"{topic}.json").read_text())
        else:
            result = measure(topic, settings)
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
