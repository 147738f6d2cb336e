"""Other tools' transcoders, told apart by their files."""

from pathlib import Path

import torch

from hooke.dictionaries.formats.bluelight import is_bluelight, open_bluelight
from hooke.dictionaries.formats.circuit_tracer import is_circuit_tracer, open_circuit_tracer
from hooke.dictionaries.formats.folding import Norms
from hooke.dictionaries.formats.gemma_scope import (
    is_gemma_scope,
    is_gemma_scope_crosslayer,
    open_gemma_scope,
    open_gemma_scope_crosslayer,
)
from hooke.dictionaries.formats.openmoss_crosslayer import is_openmoss_crosslayer, open_openmoss_crosslayer
from hooke.dictionaries.formats.sparsify import is_sparsify_set, open_sparsify_set
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest


def open_foreign(
    folder: Path,
    *,
    model: str | None = None,
    norms: Norms | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Replacement | None:
    """What another tool left in a folder; None where no format is recognised.

    Raises:
        BadArtefact: a file is damaged or cannot be expressed here.
        BadRequest: the files leave out the model or need its norms, and they were not given.
    """
    if is_circuit_tracer(folder):
        return open_circuit_tracer(folder, norms=norms, device=device, dtype=dtype)
    if is_bluelight(folder):
        return open_bluelight(folder, model=model, device=device, dtype=dtype)
    if is_openmoss_crosslayer(folder):
        return open_openmoss_crosslayer(folder, model=model, norms=norms, device=device, dtype=dtype)
    if is_sparsify_set(folder):
        return open_sparsify_set(folder, model=model, device=device, dtype=dtype)
    crosses_layers = is_gemma_scope_crosslayer(folder)
    if not crosses_layers and not is_gemma_scope(folder):
        return None
    if model is None:
        do = "Import it with its model: hooke dictionary import FOLDER NAME --model MODEL."
        raise BadRequest(f"'{folder}' does not say of which model its transcoders are.", "", do)
    if crosses_layers:
        return open_gemma_scope_crosslayer(folder, model=model, device=device, dtype=dtype)
    return open_gemma_scope(folder, model=model, norms=norms, device=device, dtype=dtype)
