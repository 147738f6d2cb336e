"""Importing hooke is cheap, and its public names are the ones that were promised."""

import subprocess
import sys

import pytest

import hooke

PUBLIC_NAMES = {
    "Ablate", "Add", "Cap", "Clamp", "Dictionary", "Finding", "Given", "HookeError", "Index", "Model", "Patch",
    "Project", "Scale", "Schedule",
    "Site", "Splice", "build_index", "harvest", "load", "load_dictionary", "open_corpus", "open_lab", "trace", "train",
}  # fmt: skip
HEAVY = {"torch", "transformers", "numpy", "pyarrow", "pydantic", "matplotlib"}


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    command = [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_hooke_loads_nothing_heavy():
    assert HEAVY & modules_after("import hooke") == set()


@pytest.mark.parametrize("module", ["errors", "sites", "configs", "lab", "progress", "tensor_files"])
def test_the_foundation_needs_no_torch(module: str):
    assert "torch" not in modules_after(f"import hooke.{module}")


def test_public_names_are_frozen():
    assert set(hooke.__all__) == PUBLIC_NAMES
    assert hooke.__all__ == sorted(hooke.__all__)


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_each_public_name_is_there_and_named_so(name: str):
    assert getattr(hooke, name).__name__ == name
    assert name in dir(hooke)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        hooke.lod  # noqa: B018
