"""Crosscoders of dictionary_learning's fork for model diffing: one code for the activations of several places.

config.json beside model.safetensors (the constructor's arguments), or beside ae.pt or model_final.pt (the trainer's).
Encoders are [place, d, feature] and summed over places, decoders [place, feature, d]. Places that are sites of one
model lie side by side here, so W_enc is [places · d, feature], and encoding and decoding are plain products. A feature
fires where f · c is above the threshold, with c of its decoder's norms; here where f is above threshold / c. As
activations the fork shows f · c; here they are f, what the decoder multiplies.

The places may also be the same site of several models. A dictionary belongs to one model, so these are refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, bad, pick, require_shapes
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.statistics import NAMES, UNCHECKED, fold_statistics
from hooke.dictionaries.formats.weights_file import map_weights
from hooke.errors import BadArtefact, BadRequest
from hooke.sites import parse_site
from hooke.tensor_files import read_header

CONFIG = "config.json"
_FILES = ("model.safetensors", "ae.pt", "model_final.pt")
# Of two models by the format itself.
_OF_MODELS = ("cfg.json", "cc_weights.pt")
_TENSORS = {"encoder.weight": "W_enc", "encoder.bias": "b_enc", "decoder.weight": "W_dec", "decoder.bias": "b_dec"}
_SMALL = ("k", "threshold", "code_normalization_id")
_COMPILED = "_orig_mod."
_CROSSCODER, _SAE, _MIXED, _NONE, _DECOUPLED = range(1, 6)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file's tensors, and what is said of them."""

    file: Path
    tensors: dict[str, Any]
    settings: Settings


def recognises(path: Path) -> bool:
    """Whether a folder has one of the files beside a config that speaks of a crosscoder."""
    return path.is_dir() and (_is_of_models(path) or _file_of(path) is not None)


def load(path: Path, given: Given) -> Dictionary:
    """The crosscoder in a folder; the given site is several, with commas between them.

    Raises:
        BadArtefact: a file is damaged, or holds what hooke cannot compute.
        BadRequest: it is not told that its places are sites of one model, and which.
    """
    file = _file_of(path)
    if file is None or _is_of_models(path):
        raise _of_models(path)
    found = _read(file)
    weights = pick(file, _large(found), _TENSORS)
    n_places = _require_sizes(file, weights)
    sites = _sites(path, given, n_places)
    threshold = _threshold(found, weights)
    decoder = weights["W_dec"].permute(1, 0, 2)
    flat = {
        "W_enc": weights["W_enc"].flatten(0, 1),
        "b_enc": weights["b_enc"],
        "W_dec": decoder.flatten(1),
        "b_dec": weights["b_dec"].flatten(),
    }
    flat, folded = fold_statistics(file, flat, found.tensors)
    is_gated = threshold is not None
    return assemble(
        file,
        flat | ({"threshold": threshold} if is_gated else {}),
        name=path.resolve().name,
        model=given.model or found.settings.text("lm_name"),
        reads=sites,
        writes=sites,
        kind="batchtopk" if is_gated else "relu",
        k=_k(found) if is_gated else None,
        folded=(*folded, "code_scale") if is_gated else folded,
    )


def _is_of_models(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _OF_MODELS)


def _file_of(folder: Path) -> Path | None:
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    try:
        return files[0] if files and _is_told(read_settings(folder / CONFIG)) else None
    except BadArtefact:
        return None


def _is_told(config: Settings) -> bool:
    trainer = config.data.get("trainer")
    names = (trainer if isinstance(trainer, dict) else {}).get("dict_class"), config.data.get("dict_class")
    if any(isinstance(name, str) and "crosscoder" in name.lower() for name in names):
        return True
    return all(name in config.data for name in ("activation_dim", "dict_size", "num_layers"))


def _read(file: Path) -> _Found:
    config = read_settings(file.parent / CONFIG)
    settings = config.table("trainer") if "trainer" in config.data else config
    if file.suffix == ".safetensors":
        shapes = {name: shape for name, (_, shape) in read_header(file).items()}
        kept: dict[str, Any] = dict(map_weights(file, shapes, unchecked=UNCHECKED))
    else:
        kept = read_pickled(file, unchecked=(*UNCHECKED, *(f"{_COMPILED}{name}" for name in UNCHECKED)))
        kept = kept["ae"] if isinstance(kept.get("ae"), dict) else kept
    return _Found(file, {str(name).removeprefix(_COMPILED): one for name, one in kept.items()}, settings)


def _large(found: _Found) -> dict[str, Any]:
    return {name: one for name, one in found.tensors.items() if name not in (*_SMALL, *NAMES)}


def _require_sizes(file: Path, weights: dict[str, Tensor]) -> int:
    """How many places it reads and writes."""
    encoder, decoder = weights["W_enc"], weights["W_dec"]
    if encoder.ndim != 3 or 0 in encoder.shape:
        raise bad(file, f"Its encoder has shape {tuple(encoder.shape)}: not one of several places.")
    places, d, n = encoder.shape
    require_shapes(file, {"W_dec": decoder}, {"W_dec": (places, n, d)})
    require_shapes(file, weights, {"b_enc": (n,), "b_dec": (places, d)})
    return places


def _sites(path: Path, given: Given, n_places: int) -> tuple[str, ...]:
    sites = tuple(str(parse_site(one.strip())) for one in given.site.split(",")) if given.site else ()
    if len(sites) == n_places > 0 and len(set(sites)) == n_places:
        return sites
    raise BadRequest(
        f"'{path}' reads {n_places} places, and its files do not say which.",
        f"Given is {given.site or 'no site'}. If they are one site of several models, no dictionary of hooke's can"
        " hold them: it belongs to one model.",
        f"If they are sites of one model, give all {n_places} in their order, such as --site "
        f"{','.join(f'resid_post.{layer}' for layer in range(n_places))}.",
    )


def _threshold(found: _Found, weights: dict[str, Tensor]) -> Tensor | None:
    """What f has to exceed; None for a plain ReLU."""
    if "threshold" not in found.tensors and "k" not in found.tensors:
        return None
    norm, threshold = int(_number(found, "code_normalization_id", 1.0)), found.tensors.get("threshold")
    if norm == _DECOUPLED:
        raise bad(found.file, "Its features fire at each place for themselves (DECOUPLED), which no one code tells.")
    value = _number(found, "threshold", -1.0)
    if threshold is None or value < 0:
        raise bad(found.file, "Its threshold was never set, so what fires depends on the other tokens of a batch.")
    scale = _code_scale(found, weights["W_dec"], norm)
    most = torch.finfo(torch.float32).max
    # With a scale of 0 nothing is ever above the threshold.
    return torch.where(scale > 0, value / scale, most).clamp(max=most)


def _code_scale(found: _Found, decoder: Tensor, norm: int) -> Tensor:
    """c of each feature."""
    norms = decoder.norm(dim=2)
    summed, joint = norms.sum(0), norms.square().sum(0).sqrt()
    if norm == _CROSSCODER:
        return summed
    if norm == _SAE:
        return joint
    if norm == _NONE:
        return torch.ones_like(joint)
    if norm == _MIXED:
        alphas = [found.settings.number(f"code_normalization_alpha_{name}") for name in ("sae", "cc")]
        of_joint, of_summed = (default if one is None else one for one, default in zip(alphas, (1.0, 0.1), strict=True))
        return joint * of_joint + summed * of_summed
    raise bad(found.file, f"Its code_normalization_id is {norm}.")


def _k(found: _Found) -> int | None:
    k = int(_number(found, "k", 0.0))
    return k or found.settings.whole("k")


def _number(found: _Found, name: str, default: float) -> float:
    one = found.tensors.get(name)
    if one is None:
        return default
    if not isinstance(one, Tensor) or one.numel() != 1:
        raise bad(found.file, f"'{name}' is no single number.")
    return float(one)


def _of_models(path: Path) -> BadRequest:
    return BadRequest(
        f"'{path}' is a crosscoder of two models.",
        "A dictionary of hooke's belongs to one model; what it reads of another has no site there.",
        "Give one that reads several sites of one model.",
    )
