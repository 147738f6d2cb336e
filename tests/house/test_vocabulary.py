"""Words that must not stand in some places: other tools' names, machine paths, prints, postponed annotations."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.sources import ROOT, SOURCE, modules, tracked

# Where other tools' names are translated into ours.
TRANSLATORS = {Path("sites.py"), Path("dictionaries/formats")}
FOREIGN = re.compile(
    r"sae_?lens|transformer_?lens|nnsight|gemma_?scope|llama_?scope|eleuther|dictionary_learning|hook_resid|blocks\.\d",
    re.I,
)
MACHINE_PATH = re.compile("/" + r"(work|root|tmp/bash_jobs|opt/pypi|home/\w+|Users/\w+)[/ '\"]")
REGISTRY_HOST = re.compile(
    "|".join(("pypi" + r"\.org", "python" + "hosted", r"registry\.npm" + "js", "debian" + r"\.org"))
)
DRAWERS = {"utils", "helpers", "common", "core", "base", "manager", "misc"}


def is_translator(path: Path) -> bool:
    return path in TRANSLATORS or any(parent in TRANSLATORS for parent in path.parents)


@pytest.mark.parametrize("path", [path for path in modules() if not is_translator(path)], ids=str)
def test_other_tools_are_named_where_they_are_translated_only(path: Path):
    found = [line for line in (SOURCE / path).read_text().splitlines() if FOREIGN.search(line)]
    assert found == []


@pytest.mark.parametrize("path", [path for path in modules() if path.parts[0] != "cli"], ids=str)
def test_only_the_command_line_prints(path: Path):
    tree = ast.parse((SOURCE / path).read_text())
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert "print" not in calls


@pytest.mark.parametrize("path", modules(), ids=str)
def test_annotations_are_real_objects(path: Path):
    # Postponed annotations are strings, and the shape checks would silently skip them.
    assert "from __future__ import annotations" not in (SOURCE / path).read_text()


def test_no_room_or_module_is_a_drawer():
    assert {part.removesuffix(".py") for path in modules() for part in path.parts} & DRAWERS == set()


def test_no_machine_paths_and_no_registry_hosts():
    found = []
    for path in tracked():
        if path.suffix in {".safetensors", ".sqlite", ".png", ".gguf", ".npy", ".html"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip():.100}")
    assert found == []


def test_no_file_is_too_large_for_the_repository():
    assert [str(path) for path in tracked() if path.stat().st_size > 40_000_000] == []
