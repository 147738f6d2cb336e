"""A microscope for neural networks: open a model, take it apart into features, search, read and steer them.

The public names below are looked up when first used, so `import hooke` is quick and imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hooke.activations.harvest import harvest
    from hooke.circuits.trace import trace
    from hooke.dictionaries import Dictionary, load_dictionary
    from hooke.errors import HookeError
    from hooke.features.index import build_index
    from hooke.features.query import Index
    from hooke.findings import Finding
    from hooke.lab import open_lab
    from hooke.models.edits import Ablate, Add, Cap, Clamp, Patch, Project, Scale, Splice
    from hooke.models.load import load
    from hooke.models.model import Model
    from hooke.models.scope import Given, Schedule
    from hooke.sites import Site
    from hooke.text.corpora import open_corpus
    from hooke.training.train import train

__version__ = "0.1.0"

__all__ = [
    "Ablate",
    "Add",
    "Cap",
    "Clamp",
    "Dictionary",
    "Finding",
    "Given",
    "HookeError",
    "Index",
    "Model",
    "Patch",
    "Project",
    "Scale",
    "Schedule",
    "Site",
    "Splice",
    "build_index",
    "harvest",
    "load",
    "load_dictionary",
    "open_corpus",
    "open_lab",
    "trace",
    "train",
]

_HOME = {
    "hooke.circuits.trace": ("trace",),
    "hooke.activations.harvest": ("harvest",),
    "hooke.dictionaries": ("Dictionary", "load_dictionary"),
    "hooke.errors": ("HookeError",),
    "hooke.features.index": ("build_index",),
    "hooke.features.query": ("Index",),
    "hooke.findings": ("Finding",),
    "hooke.lab": ("open_lab",),
    "hooke.models.edits": ("Ablate", "Add", "Cap", "Clamp", "Patch", "Project", "Scale", "Splice"),
    "hooke.models.load": ("load",),
    "hooke.models.model": ("Model",),
    "hooke.models.scope": ("Given", "Schedule"),
    "hooke.sites": ("Site",),
    "hooke.text.corpora": ("open_corpus",),
    "hooke.training.train": ("train",),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'hooke' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
