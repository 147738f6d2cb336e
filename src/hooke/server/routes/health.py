"""Whether the server, its lab and what it has open are well."""

import os
import platform
from importlib import metadata
from typing import Annotated

import psutil
import torch
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from hooke.errors import BadArtefact
from hooke.server.residents import Residents, residents_of
from hooke.server.routes.indexes import index_names

router = APIRouter(prefix="/api/health", tags=["health"])


class Check(BaseModel):
    """One thing that was looked at."""

    name: str
    """What."""
    is_well: bool
    """Whether it is as it should be."""
    found: str
    """What was found."""
    hint: str
    """What to do where it is not well."""


class Health(BaseModel):
    """How the server is."""

    is_well: bool
    """Whether every check is well."""
    checks: list[Check]
    """What was looked at."""
    versions: dict[str, str]
    """Versions of what answers depend on."""
    device: str
    """Where models run."""
    process_megabytes: float
    """Memory of the server."""
    free_megabytes: float
    """Memory that the machine has left."""
    loaded_models: list[str]
    """Models in memory."""
    read_only: bool
    """Whether no model may be loaded."""


@router.get("")
def get_health(here: Annotated[Residents, Depends(residents_of)]) -> Health:
    """Look at the lab, its indexes and this process; quick."""
    checks = [_lab_check(here), *(_index_check(here, name) for name in _names(here))]
    return Health(
        is_well=all(check.is_well for check in checks),
        checks=checks,
        versions=versions(),
        device=device_name(),
        process_megabytes=psutil.Process().memory_info().rss / 1e6,
        free_megabytes=psutil.virtual_memory().available / 1e6,
        loaded_models=here.loaded(),
        read_only=here.read_only,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter most."""
    names = ("hooke", "torch", "transformers", "fastapi", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def device_name() -> str:
    """Where models run on this machine."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


def _names(here: Residents) -> list[str]:
    try:
        return index_names(here.lab)
    except OSError:
        return []


def _lab_check(here: Residents) -> Check:
    root = here.lab.root
    if not root.is_dir():
        return Check(
            name="lab",
            is_well=False,
            found=f"{root} is not there.",
            hint="It is made with the first artefact; if it was there before, mount or restore it.",
        )
    if not os.access(root, os.W_OK):
        return Check(
            name="lab",
            is_well=False,
            found=f"{root} cannot be written.",
            hint="Reading works; writing needs the right to.",
        )
    return Check(name="lab", is_well=True, found=str(root), hint="")


def _index_check(here: Residents, name: str) -> Check:
    try:
        index = here.index(name)
    except (BadArtefact, OSError) as error:
        return Check(name=f"index {name}", is_well=False, found=str(error), hint="Build the index again.")
    return Check(name=f"index {name}", is_well=True, found=f"{len(index):,} features", hint="")
