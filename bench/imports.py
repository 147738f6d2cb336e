"""Import times in fresh processes and install sizes, of hooke and of each peer's environment. Prints one JSON object.

python bench/imports.py [--repetitions 3]
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from environments import environment_python, is_ready

STATEMENTS = {
    ("hooke", "hooke"): "import hooke",
    ("hooke", "hooke, opening models"): "from hooke import load",
    ("hooke", "torch alone"): "import torch",
    ("transformer-lens", "TransformerLens"): "import transformer_lens",
    ("nnsight", "nnsight"): "import nnsight",
    ("sae-lens", "SAELens"): "import sae_lens",
    ("dictionary-learning", "dictionary_learning"): "import dictionary_learning",
    ("sparsify", "sparsify"): "import sparsify",
    # Its package is lazy: the name is what loads the rest.
    ("circuit-tracer", "circuit-tracer"): "from circuit_tracer import attribute",
}
"""(environment, row of the table) and what is timed; hooke loads torch when a part that needs it is first used."""

TIMED = """
import json, resource, sys, time
started, cpu = time.perf_counter(), time.process_time()
{statement}
taken = [time.perf_counter() - started, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]
print(); print(json.dumps([*taken, "torch" in sys.modules]))
"""

TOOLS_OF_INSTALLING = ("pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack")
TORCH = ("torch", "torchgen", "functorch", "nvidia", "triton")


def import_row(environment: str, tool: str, statement: str, repetitions: int) -> dict[str, Any]:
    """Median seconds, CPU seconds and peak memory over fresh processes, after one that warms the disk."""
    command = [str(environment_python(environment)), "-c", TIMED.format(statement=statement)]
    runs = [_last_line(command) for _ in range(repetitions + 1)][1:]
    wall, cpu, memory, _ = zip(*runs, strict=True)
    return {
        "tool": tool,
        "statement": statement,
        "seconds": median(wall),
        "cpu_seconds": median(cpu),
        "peak_megabytes": median(memory) * 1024 / 1e6,
        "imports_torch": bool(runs[0][3]),
    }


def size_row(environment: str) -> dict[str, Any]:
    """Megabytes of site-packages with and without torch, and the number of distributions, pip and setuptools aside."""
    (packages,) = (environment_python(environment).parent.parent / "lib").glob("python3*/site-packages")
    sizes = {entry.name: _size(entry) for entry in packages.iterdir() if not _belongs(entry.name, TOOLS_OF_INSTALLING)}
    torch = sum(size for name, size in sizes.items() if _belongs(name, TORCH))
    return {
        "megabytes": sum(sizes.values()) / 1e6,
        "megabytes_without_torch": (sum(sizes.values()) - torch) / 1e6,
        "distributions": sum(name.endswith(".dist-info") for name in sizes),
    }


def _belongs(entry: str, names: tuple[str, ...]) -> bool:
    return entry in names or entry.split("-")[0] in names


def _size(path: Path) -> int:
    return sum(file.lstat().st_size for file in _files(path))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (file for file in path.rglob("*") if file.is_file())


def _last_line(command: list[str]) -> list[Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    rows = []
    for (environment, tool), statement in STATEMENTS.items():
        if not is_ready(environment):
            rows.append({"tool": tool, "failed": f"not built: python bench/environments.py {environment}"})
            continue
        rows.append(import_row(environment, tool, statement, repetitions) | size_row(environment))
    sys.stdout.write(json.dumps({"task": "import", "tool": "all", "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
