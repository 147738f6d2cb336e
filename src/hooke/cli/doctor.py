"""`hooke doctor`: what this machine has, and what is missing, in one page."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.text import Text

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere
from hooke.cli.terminal import note, size, table, title
from hooke.errors import UnknownName
from hooke.lab import ROOMS, Lab

PACKAGES = ("hooke", "torch", "transformers", "safetensors", "gguf", "numpy", "pyarrow", "cyclopts")
# What decides the speed of matrix products on a CPU.
CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "neon", "asimd", "sve")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One line of the page."""

    name: str
    """What was looked at."""
    found: str
    """What is there."""
    is_missing: bool = False
    """Whether something that the main job needs is not there."""
    do: str = ""
    """What to do about it."""


def doctor(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """Show what this machine has, and what is missing.

    The exit code is 1 when something is missing that `hooke quickstart` needs.
    """
    sections = {
        "Machine": [*_python(), *_cpu(), _memory(), _gpu()],
        "Packages": [_package(name) for name in PACKAGES],
        "Lab": _lab(everywhere.lab),
        "Material": [_default_model(), _default_corpus(), *_starters()],
    }
    missing = [check for checks in sections.values() for check in checks if check.is_missing]
    shown: list[Any] = []
    for name, checks in sections.items():
        shown += [title(name), table(("", "", ""), [(check.name, check.found, _advice(check)) for check in checks]), ""]
    names = [check.name for check in missing]
    shown.append(note(f"Missing: {', '.join(names)}." if names else "Nothing is missing."))
    data = {"sections": sections, "missing": names}
    return Answer(data=data, shown=tuple(shown), exit_code=1 if missing else 0)


def _advice(check: Check) -> Text:
    return Text(check.do, style="bold" if check.is_missing else "dim")


def _python() -> list[Check]:
    return [
        Check(name="system", found=f"{platform.system()} {platform.release()} on {platform.machine()}"),
        Check(name="python", found=platform.python_version()),
    ]


def _cpu() -> list[Check]:
    facts = _key_values(Path("/proc/cpuinfo"))
    flags = facts.get("flags", facts.get("Features", "")).split()
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    known = [flag for flag in CPU_FLAGS if flag in flags]
    return [
        Check(name="processor", found=facts.get("model name", platform.processor() or "unknown")),
        Check(name="cores", found=str(n_cores)),
        Check(name="instructions", found=" ".join(known) or "unknown"),
    ]


def _key_values(path: Path) -> dict[str, str]:
    """The first value of each key in a file of `key : value` lines; nothing where there is no such file."""
    if not path.is_file():
        return {}
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def _memory() -> Check:
    facts = _key_values(Path("/proc/meminfo"))
    sizes = {key: int(facts[key].split()[0]) * 1024 for key in ("MemAvailable", "MemTotal") if key in facts}
    if len(sizes) < 2:
        return Check(name="memory", found="unknown")
    return Check(name="memory", found=f"{size(sizes['MemAvailable'])} free of {size(sizes['MemTotal'])}")


def _gpu() -> Check:
    import torch

    threads = f"torch computes with {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return Check(name="GPU", found=f"none; {threads}")
    gpus = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count())]
    named = ", ".join(f"{gpu.name} ({size(gpu.total_memory)})" for gpu in gpus)
    return Check(name="GPU", found=f"{named}; {threads}")


def _package(name: str) -> Check:
    try:
        return Check(name=name, found=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(name=name, found="not installed", is_missing=True, do=f"Run: pip install {name}")


def _lab(lab: Lab) -> list[Check]:
    there = next(folder for folder in (lab.root, *lab.root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    place = str(lab.root) if lab.root.is_dir() else f"{lab.root} (not made yet)"
    checks = [Check(name="folder", found=place), Check(name="free space", found=size(free))]
    for room in ROOMS:
        names = lab.names(room)
        if names:
            n_bytes = sum(path.stat().st_size for path in (lab.root / room).rglob("*") if path.is_file())
            checks.append(Check(name=room, found=f"{len(names)} ({size(n_bytes)}): {', '.join(names[:8])}"))
    return checks


def _default_model() -> Check:
    from hooke.models.zoo import ZOO, zoo_file

    name = next(iter(ZOO))
    try:
        return Check(name="model", found=f"{name} ({size(zoo_file(name).stat().st_size)}, {ZOO[name].licence})")
    except UnknownName as error:
        return Check(name="model", found=f"{name} is not installed", is_missing=True, do=error.do)


def _default_corpus() -> Check:
    from hooke.text.default_corpus import SOURCES, open_default

    try:
        open_default("default")
    except UnknownName as error:
        return Check(name="corpus", found=error.found, is_missing=True, do=error.do)
    return Check(name="corpus", found=f"default ({', '.join(SOURCES)})")


def _starters() -> list[Check]:
    from hooke.dictionaries.load import STARTERS

    names = sorted(folder.name for folder in STARTERS.iterdir() if folder.is_dir()) if STARTERS.is_dir() else []
    return [Check(name="starter dictionary", found=name) for name in names] or [
        Check(name="starter dictionary", found="none", is_missing=True, do="Train one: hooke train --help")
    ]
