"""One dictionary of Gemma Scope's: an autoencoder, a transcoder of one layer, or a crosscoder of the second suite.

All clamp at zero, compare with the threshold strictly, subtract nothing from the input and do not normalise it.

- Transcoders of the first suite read the stream normalised without the norm's gain: it is folded in, and needs the
  model's norms. Those of the second read what the MLP reads.
- Embedding dictionaries fit the table's rows before the model scales them by sqrt(d); the site here is after it.
- A crosscoder's groups of features read one layer each and write all: one dictionary with a block-diagonal encoder.
"""

from math import sqrt
from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, pick, read_safetensors, require_shapes, require_site
from hooke.dictionaries.formats.folding import fold_norm, require_norms
from hooke.dictionaries.formats.gemma_scope_files import ARCHIVE, NAMES, SAFE, bad, read_params
from hooke.dictionaries.formats.gemma_scope_place import Place, place_of
from hooke.dictionaries.formats.given import Given
from hooke.errors import BadRequest
from hooke.sites import parse_site
from hooke.tensor_files import read_header

_PART = "params_layer_{}.safetensors"
# A crosscoder whose encoder is filled up with zeros beyond this is not opened as one dictionary.
MOST_BYTES = 12 * 2**30


def recognises(path: Path) -> bool:
    """Whether a path is a file of the suites, or a folder that has some in it."""
    if path.is_file():
        return path.name in (ARCHIVE, SAFE)
    return _is_crosscoder(path) or bool(_candidates(path))


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary of a file or of a folder that has only one.

    Raises:
        BadArtefact: a file is damaged or is no single dictionary.
        BadRequest: the folder has several, or something has to be told.
    """
    if path.is_dir() and _is_crosscoder(path):
        return _load_crosscoder(path, given)
    file = path if path.is_file() else _only(path)
    place = _placed(file, given)
    tensors = read_params(file)
    folded: tuple[str, ...] = ()
    if place.form == "transcoder" and file.name == ARCHIVE:
        require_norms(given.norms, path)
        assert given.norms is not None
        layer = parse_site(place.reads[0]).layer
        assert layer is not None
        tensors, folded = fold_norm(tensors, given.norms(layer), file), ("norm_gain",)
    if place.reads == ("embed",):
        scale = sqrt(len(tensors["W_enc"]))
        tensors |= {"W_enc": tensors["W_enc"] / scale}
        tensors |= {"W_dec": tensors["W_dec"] * scale, "b_dec": tensors["b_dec"] * scale}
        folded = (f"embedding_scale={scale:.9g}",)
    return assemble(
        file,
        tensors,
        name=_name(file.parent),
        model=given.model or place.model,
        reads=place.reads,
        writes=place.writes,
        kind="jumprelu",
        folded=folded,
        claims=place.claims,
    )


def _placed(file: Path, given: Given) -> Place:
    place = place_of(file)
    if place.form in ("clt", "crosscoder"):
        raise bad(file, f"Its folder is that of a {place.form}, which has a file for each layer.")
    if given.site or not place.reads:
        site = str(parse_site(require_site(file, given.site)))
        return Place(form="sae", model=place.model, reads=(site,), writes=(site,), claims=place.claims)
    return place


def _is_crosscoder(folder: Path) -> bool:
    return (folder / _PART.format(0)).is_file() and place_of(folder).form == "crosscoder"


def _candidates(folder: Path) -> list[Path]:
    patterns = [f"{deeper}{name}" for deeper in ("", "*/", "*/*/", "*/*/*/") for name in (ARCHIVE, SAFE)]
    return sorted(path for pattern in patterns for path in folder.glob(pattern)) if folder.is_dir() else []


def _only(folder: Path) -> Path:
    found = _candidates(folder)
    if len(found) > 1:
        told = ", ".join(str(path.parent.relative_to(folder)) for path in found[:6])
        raise BadRequest(
            f"'{folder}' has {len(found)} dictionaries.",
            f"Among them {told}.",
            "Give the folder of one of them: a layer, a width and an L0.",
        )
    return found[0]


def _name(folder: Path) -> str:
    """Layer, width and L0, as the names of the folders have them."""
    parts = [
        part for part in folder.absolute().parts[-3:] if part.startswith(("layer_", "width_", "average_", "embed"))
    ]
    return "-".join(parts) or folder.absolute().name


def _load_crosscoder(folder: Path, given: Given) -> Dictionary:
    place = place_of(folder)
    files = [folder / _PART.format(layer) for layer in range(len(place.reads))]
    found = {path.name for path in folder.glob(_PART.format("*"))}
    if not place.reads or found != {path.name for path in files}:
        raise bad(
            folder, f"It should have a file for each of {' '.join(place.reads) or 'its layers'}: {sorted(found)}."
        )
    _require_small(folder, files)
    parts = [_part(path, len(files)) for path in files]
    first = {name: tuple(one.shape) for name, one in parts[0].items()}
    for path, part in zip(files, parts, strict=True):
        require_shapes(path, part, first)
        if set(part) != set(first):
            raise bad(path, f"It has {sorted(part)}; the first layer has {sorted(first)}.")
    tensors = {name: torch.cat([part[name] for part in parts]) for name in ("b_enc", "threshold", "b_dec")}
    tensors["W_enc"] = torch.block_diag(*(part.pop("W_enc") for part in parts))
    tensors["W_dec"] = torch.cat([part.pop("W_dec").flatten(1) for part in parts])
    if "W_skip" in first:
        tensors["W_skip"] = torch.block_diag(*(part["W_skip"] for part in parts))
    return assemble(
        folder,
        tensors,
        name=_name(folder),
        model=given.model or place.model,
        reads=place.reads,
        writes=place.writes,
        kind="jumprelu",
        claims=place.claims,
    )


def _part(path: Path, n_layers: int) -> dict[str, Tensor]:
    """One layer's encoder and what its features write to every layer."""
    part = pick(path, read_safetensors(path), NAMES, optional=("affine_skip_connection",))
    encoder = part["W_enc"]
    if encoder.ndim != 2:
        raise bad(path, f"Its encoder has shape {tuple(encoder.shape)}.")
    d, m = encoder.shape
    shapes = {"W_dec": (m, n_layers, d), "b_enc": (m,), "threshold": (m,), "b_dec": (d,), "W_skip": (d, d)}
    require_shapes(path, part, shapes)
    return part


def _require_small(folder: Path, files: list[Path]) -> None:
    shapes = [read_header(path).get("w_enc", ("", (0, 0)))[1] for path in files]
    widths = [shape if len(shape) == 2 else (0, 0) for shape in shapes]
    n_bytes = 8 * sum(d for d, _ in widths) * sum(m for _, m in widths)
    if n_bytes > MOST_BYTES:
        raise BadRequest(
            f"'{folder}' is too large to be opened as one dictionary.",
            f"Its features read one layer each; with zeros for the other layers they take {n_bytes / 2**30:.1f} GiB.",
            f"Take a narrower crosscoder: up to {MOST_BYTES // 2**30} GiB are opened.",
        )
