"""A dictionary from another tool's tensors, held against one another before anything is made of them."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, Given, Kind
from hooke.dictionaries.formats.weights_file import is_finite, read_weights
from hooke.errors import BadArtefact, BadConfig, BadRequest, ShapeMismatch, UnknownSite
from hooke.tensor_files import read_header


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The finite tensors of a safetensors file, whatever their names.

    Raises:
        BadArtefact: the file is not what it should be.
    """
    return read_weights(path, {name: shape for name, (_, shape) in read_header(path).items()})


def pick(
    path: Path, found: Mapping[str, Any], names: Mapping[str, str], *, optional: Collection[str] = ()
) -> dict[str, Tensor]:
    """Tensors by our names, from a file's by theirs: `names` says which becomes which; it may have nothing else.

    Raises:
        BadArtefact: one is missing, unknown, no tensor of floats, or holds values that are not finite.
    """
    missing = sorted(set(names) - set(found) - set(optional))
    unknown = sorted(str(name) for name in set(found) - set(names))
    if missing or unknown:
        told = [f"no '{name}'" for name in missing] + [f"an unknown '{name:.60}'" for name in unknown]
        raise bad(path, f"It has {', '.join(told[:6])}.")
    picked: dict[str, Tensor] = {}
    for name, own in names.items():
        if name not in found:
            continue
        one = found[name]
        if not isinstance(one, Tensor) or not one.is_floating_point():
            raise bad(path, f"'{name}' is no tensor of floats.")
        picked[own] = one.float()
        if not is_finite(picked[own]):
            raise bad(path, f"'{name}' holds values that are not finite.")
    return picked


def require_shapes(path: Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises:
    BadArtefact: a tensor has another shape than the one given for its name.
    """
    for name, shape in shapes.items():
        if name in tensors and tuple(tensors[name].shape) != shape:
            raise bad(path, f"'{name}' has shape {tuple(tensors[name].shape)}; with the others it should be {shape}.")


def encoder_sizes(path: Path, tensors: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """Width read, features and width written, of tensors in our orientation that fit one another.

    Raises:
        BadArtefact: they do not.
    """
    encoder, decoder = tensors["W_enc"], tensors["W_dec"]
    if encoder.ndim != 2 or decoder.ndim != 2 or 0 in (*encoder.shape, *decoder.shape):
        raise bad(path, f"Its matrices have shapes {tuple(encoder.shape)} and {tuple(decoder.shape)}.")
    (d_in, n), d_out = encoder.shape, decoder.shape[1]
    shapes = {"W_dec": (n, d_out), "b_enc": (n,), "b_dec": (d_out,), "threshold": (n,), "W_skip": (d_in, d_out)}
    require_shapes(path, tensors, shapes)
    return d_in, n, d_out


def assemble(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    name: str,
    model: str | None,
    reads: tuple[str, ...],
    writes: tuple[str, ...],
    kind: "Kind | Given",
    k: int | None = None,
    groups: tuple[int, ...] = (),
    folded: tuple[str, ...] = (),
    signed: bool = False,
    claims: Claims | None = None,
) -> Dictionary:
    """The dictionary of tensors in our names and orientation.

    Raises:
        BadArtefact: the tensors do not fit one another, or the settings do not fit them.
        BadRequest: the model is not known.
    """
    d_in, n, d_out = encoder_sizes(path, tensors)
    for own, tensor in tensors.items():
        # What was finite in the file may be no longer, once it was scaled or is an exponential.
        if not is_finite(tensor):
            raise bad(path, f"'{own}' is not finite at the scale that its settings ask for.")
    try:
        config = DictionaryConfig(
            name=name,
            model=require_model(path, model),
            kind=kind,
            reads=reads,
            writes=writes,
            n_features=n,
            d_in=d_in,
            d_out=d_out,
            k=k,
            groups=groups,
            folded=folded,
            skip="W_skip" in tensors,
            signed=signed,
            claims=claims,
        )
        return Dictionary(config, **tensors)
    except (BadConfig, UnknownSite, ShapeMismatch) as error:
        raise bad(path, str(error)) from error


def require_model(path: Path, model: str | None) -> str:
    """Raises:
    BadRequest: there is none.
    """
    if not model:
        raise BadRequest(
            f"'{path}' does not say of which model it is.",
            "",
            "Import it with its model: hooke dictionary import FOLDER NAME --model MODEL.",
        )
    return model


def require_site(path: Path, site: str | None) -> str:
    """Raises:
    BadRequest: there is none.
    """
    if not site:
        raise BadRequest(
            f"'{path}' does not say which site it reads.",
            "Neither its files nor the names of its folders tell.",
            "Import it with its site, such as --site resid_post.12, or keep its folders named as they were published.",
        )
    return site


def bad(path: Path, found: str) -> BadArtefact:
    """The refusal of a file."""
    return BadArtefact(f"'{path}' could not be read as a dictionary.", found, "Fetch a fresh copy.")
