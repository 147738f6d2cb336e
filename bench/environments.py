"""Build the environments that the benchmarks run in: one per peer, under bench/.envs/, from bench/peers/PEER.txt.

    python bench/environments.py [NAME ...]

The peers cannot be installed together, so each has its own. `hooke` names one with this project, what it needs, and
nothing else, for the size of an install. An environment whose pins have not changed is left as it is.
"""

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ENVIRONMENTS = BENCH / ".envs"
REQUIREMENTS = BENCH / "peers"
CONSTRAINTS = BENCH.parent / "constraints.txt"


def peers() -> list[str]:
    """Names of the peers, in alphabetical order."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def environment_python(name: str) -> Path:
    """Path of an environment's interpreter, whether or not it has been built."""
    return ENVIRONMENTS / name / "bin" / "python"


def is_ready(name: str) -> bool:
    """Whether an environment was built from the requirement file as it is now."""
    stamp = ENVIRONMENTS / name / "built-from"
    return stamp.is_file() and stamp.read_text() == _stamp(name)


def ensure(*names: str) -> None:
    """Build the environments that are missing or out of date; one that another process is building is waited for."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    for name in names:
        with (ENVIRONMENTS / f".{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_ready(name):
                print(f"building the environment of {name}", file=sys.stderr, flush=True)
                _build(name)


def _build(name: str) -> None:
    """Make an environment anew; it is marked as ready only after every step has passed."""
    folder = ENVIRONMENTS / name
    shutil.rmtree(folder, ignore_errors=True)
    _call(sys.executable, "-m", "venv", str(folder))
    pins = CONSTRAINTS if name == "hooke" else REQUIREMENTS / f"{name}.txt"
    torch_pin = next(line for line in pins.read_text().splitlines() if line.startswith("torch=="))
    # torch alone and first: its exact version takes a CPU file where one is offered, a range gigabytes of CUDA.
    _pip(name, torch_pin)
    if name == "hooke":
        _pip(name, "--constraint", str(pins), str(BENCH.parent))
    else:
        # Unresolved: some peers ask for a torchvision that cannot be loaded beside a CPU torch, and work without it.
        _pip(name, "--no-deps", "--requirement", str(pins))
    (folder / "built-from").write_text(_stamp(name))


def _stamp(name: str) -> str:
    files = [REQUIREMENTS / f"{name}.txt"]
    if name == "hooke":
        sources = (path for path in (BENCH.parent / "src").rglob("*") if path.is_file() and path.suffix != ".pyc")
        files = [CONSTRAINTS, BENCH.parent / "pyproject.toml", *sorted(sources)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _pip(name: str, *arguments: str) -> None:
    _call(str(environment_python(name)), "-m", "pip", "--quiet", "--quiet", "install", *arguments)


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


def main() -> None:
    """Build what the command line names, or every environment."""
    known = [*peers(), "hooke"]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="*", help=f"of {', '.join(known)}; all when none is given")
    ensure(*(parser.parse_args().name or known))


if __name__ == "__main__":
    main()
