"""A room imports only from rooms below it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT, SOURCE


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_layers_are_kept():
    done = lint_imports(SOURCE.parent)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [("lab.py", "import hooke.text.windows"), ("text/windows.py", "def late():\n    import hooke.dictionaries.sparse")],
)
def test_an_import_upwards_or_sideways_is_found(tmp_path: Path, module: str, line: str):
    shutil.copytree(SOURCE, tmp_path / "hooke")
    with (tmp_path / "hooke" / module).open("a") as handle:
        handle.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert "is not allowed to import" in done.stdout


def test_the_page_and_the_contract_give_the_same_order():
    page = re.search(r"```\n(cli\n.*?)```", (ROOT / "docs" / "architecture.md").read_text(), re.DOTALL)
    table = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert page is not None
    assert table is not None
    assert page.group(1).strip().splitlines() == re.findall(r'"(.*?)"', table.group(1))
