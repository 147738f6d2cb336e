"""dictionary_learning's autoencoders, of each of its classes: ae.pt beside the config.json of the trainer.

Of linear layers the weights are [to, from], of the rest [from, to]. What is done besides becomes part of the weights:

    AutoEncoder, Gated, TopK, BatchTopK, Matryoshka    b_dec is taken from the input:  b_enc - b_dec · W_enc
    Gated        W_enc · exp(r_mag), b_mag, and the threshold b_mag - b_gate · exp(r_mag), where the gate opens
    backups      of runs with scaled inputs: biases and thresholds times the factor that inputs were divided by

Activations keep the scale that the weights give them; the tool makes AutoEncoder's decoder unit norm as it loads one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary, Kind
from hooke.dictionaries.dictionary import Given as GivenKind
from hooke.dictionaries.formats import crosscoders
from hooke.dictionaries.formats.assemble import assemble, bad, encoder_sizes, pick, require_shapes
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.several import ask_for_one, folders_with
from hooke.dictionaries.formats.statistics import NAMES, UNCHECKED, fold_statistics
from hooke.dictionaries.formats.trainer_sites import sites_of_trainer
from hooke.errors import BadArtefact, BadRequest
from hooke.sites import parse_site

CONFIG, WEIGHTS, RESULTS = "config.json", "ae.pt", "eval_results.json"

_LINEAR = {"encoder.weight": "W_enc", "encoder.bias": "b_enc", "decoder.weight": "W_dec"}
_PLAIN = {name: name for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
_GATED = {"gate_bias": "b_gate", "mag_bias": "b_mag", "r_mag": "r_mag", "decoder_bias": "b_dec"}
# What inputs were divided by while they were trained on scales all of these, and no matrix.
_SCALED = ("b_enc", "b_dec", "b_gate", "b_mag", "threshold")


@dataclass(frozen=True, slots=True)
class _Class:
    """How the tensors of a class are named and meant."""

    kind: Kind | GivenKind
    names: dict[str, str]
    is_linear: bool
    takes_b_dec: bool
    has_one_threshold: bool = False


_CLASSES = {
    "AutoEncoder": _Class("relu", {**_LINEAR, "bias": "b_dec"}, True, True),
    "AutoEncoderNew": _Class("relu", {**_LINEAR, "decoder.bias": "b_dec"}, True, False),
    "GatedAutoEncoder": _Class("gated", {"encoder.weight": "W_enc", "decoder.weight": "W_dec", **_GATED}, True, True),
    "AutoEncoderTopK": _Class("topk", {**_LINEAR, "b_dec": "b_dec"}, True, True, True),
    "BatchTopKSAE": _Class("batchtopk", {**_LINEAR, "b_dec": "b_dec"}, True, True, True),
    "MatryoshkaBatchTopKSAE": _Class("matryoshka", _PLAIN, False, True, True),
    "JumpReluAutoEncoder": _Class("jumprelu", {**_PLAIN, "threshold": "threshold"}, False, False),
}


def recognises(path: Path) -> bool:
    """Whether a folder has the two files, or folders inside have; or a file is a trainer's checkpoint."""
    if path.is_file():
        return path.suffix == ".pt" and _config_of(path) is not None
    if _is_one(path):
        return not crosscoders.recognises(path)
    return path.is_dir() and bool(folders_with(path, WEIGHTS, CONFIG))


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary of a trainer or checkpoint, or the only one of a suite that reads the given site.

    Raises:
        BadArtefact: a file is damaged, or of no class of this tool.
        BadRequest: the folder has several and none was chosen, or model or site are not known.
    """
    file = path if path.is_file() else (path if _is_one(path) else _chosen(path, given)) / WEIGHTS
    config = _config_of(file)
    if config is None:
        raise bad(file, f"There is no {CONFIG} of its trainer.")
    trainer = read_settings(config).table("trainer")
    name = trainer.text("dict_class")
    if name not in _CLASSES:
        raise trainer.refused("dict_class", f"one of {', '.join(_CLASSES)}")
    found = _unwrapped(file, read_pickled(file, unchecked=UNCHECKED))
    weights, kind, groups, folded = _weights(file, _CLASSES[name], found)
    model = given.model or trainer.text("lm_name")
    reads, writes = sites_of_trainer(config, given.site, model)
    return assemble(
        file,
        weights,
        name=_name(file),
        model=model,
        reads=(str(reads),),
        writes=(str(writes),),
        kind=kind,
        k=_k(file, trainer, found) if _CLASSES[name].has_one_threshold else None,
        groups=groups,
        folded=folded,
        claims=_claims(config.parent / RESULTS),
    )


def _is_one(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()


def _config_of(file: Path) -> Path | None:
    """The trainer's config of a file: beside it, or above a folder of checkpoints."""
    places = [file.parent] + ([file.parent.parent] if file.absolute().parent.name == "checkpoints" else [])
    for path in (place / CONFIG for place in places):
        try:
            if path.is_file() and (file.name == WEIGHTS or "trainer" in read_settings(path).data):
                return path
        except BadArtefact:
            continue
    return None


def _chosen(suite: Path, given: Given) -> Path:
    folders = folders_with(suite, WEIGHTS, CONFIG)
    if given.site is not None:
        site = parse_site(given.site)
        folders = {name: one for name, one in folders.items() if _reads(one, given) == site} or folders
    if len(folders) > 1:
        raise ask_for_one(suite, folders)
    return next(iter(folders.values()))


def _reads(folder: Path, given: Given) -> Any:
    try:
        model = given.model or read_settings(folder / CONFIG).table("trainer").text("lm_name")
        return sites_of_trainer(folder / CONFIG, None, model)[0]
    except (BadArtefact, BadRequest):
        return None


def _name(file: Path) -> str:
    folder = file.absolute().parent
    if file.name != WEIGHTS:
        return f"{folder.parent.name}-{file.stem}" if folder.name == "checkpoints" else file.stem
    return f"{folder.parent.name}-{folder.name}" if re.fullmatch(r"trainer_.*", folder.name) else folder.name


def _unwrapped(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a file, those of a run's backup at the scale of its inputs."""
    if not isinstance(found.get("ae"), dict):
        return found
    factor = found.get("norm_factor")
    factor = factor.item() if isinstance(factor, Tensor) and factor.numel() == 1 else factor
    if factor is not None and (isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0):
        raise bad(file, f"Its norm_factor is {factor!r:.60}.")
    return found["ae"] | ({} if factor is None else {"norm_factor": float(factor)})


def _weights(
    file: Path, of: _Class, found: dict[str, Any]
) -> tuple[dict[str, Tensor], Kind | GivenKind, tuple[int, ...], tuple[str, ...]]:
    """The weights as ours are, their kind, nested widths, and what was folded."""
    small = {"k", "threshold", "group_sizes"} if of.has_one_threshold else set()
    tensors = {name: one for name, one in found.items() if name not in {*small, *NAMES, "norm_factor"}}
    weights = pick(file, tensors, of.names)
    if any(weights[name].ndim != 2 for name in ("W_enc", "W_dec")):
        raise bad(file, f"Its matrices have shapes {[tuple(weights[name].shape) for name in ('W_enc', 'W_dec')]}.")
    if of.is_linear:
        weights |= {name: weights[name].T for name in ("W_enc", "W_dec")}
    d_in, n, _ = encoder_sizes(file, weights)
    require_shapes(file, weights, {"b_dec": (d_in,)} | dict.fromkeys(("b_gate", "b_mag", "r_mag"), (n,)))
    groups = _groups(file, found, n) if of.kind == "matryoshka" else ()
    kind, folded = of.kind, ()
    if of.has_one_threshold and of.kind != "topk":
        threshold = _number(file, found, "threshold", -1.0)
        if threshold < 0:
            # It was never set: a token alone cannot be given what a batch would have had, but it can be given as many.
            kind, groups, folded = "topk", (), ("threshold never set: each token's k largest",)
        else:
            weights["threshold"] = weights["b_enc"].new_full((n,), threshold)
    weights, folded = _at_input_scale(weights, found.get("norm_factor"), folded)
    if of.kind == "gated":
        scale = weights.pop("r_mag").exp()
        gate, magnitude = weights.pop("b_gate"), weights.pop("b_mag")
        weights |= {"W_enc": weights["W_enc"] * scale, "b_enc": magnitude, "threshold": magnitude - gate * scale}
        folded = (*folded, "gate")
    if of.takes_b_dec:
        weights["b_enc"] = weights["b_enc"] - weights["b_dec"] @ weights["W_enc"]
        folded = (*folded, "b_dec")
    weights, statistics = fold_statistics(file, weights, found)
    return weights, kind, groups, (*folded, *statistics)


def _at_input_scale(
    weights: dict[str, Tensor], factor: float | None, folded: tuple[str, ...]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    if factor is None:
        return weights, folded
    scaled = {name: one * factor if name in _SCALED else one for name, one in weights.items()}
    return scaled, (*folded, f"norm_factor={factor:.6g}")


def _groups(file: Path, found: dict[str, Any], n: int) -> tuple[int, ...]:
    sizes = found.get("group_sizes")
    if not isinstance(sizes, Tensor) or sizes.ndim != 1 or sizes.is_floating_point() or len(sizes) > n:
        raise bad(file, "It has no group_sizes.")
    if int(sizes.min()) < 1 or int(sizes.sum()) != n:
        raise bad(file, f"Its group_sizes are {sizes.tolist()[:8]}; it has {n} features.")
    return tuple(sizes.cumsum(0).tolist())


def _k(file: Path, trainer: Settings, found: dict[str, Any]) -> int:
    told, kept = trainer.whole("k"), _number(file, found, "k", 0.0)
    if told is not None and kept and told != kept:
        raise bad(file, f"Its k is {kept:g}; {CONFIG} says {told}.")
    if told is None and not kept:
        raise bad(file, f"Neither it nor {CONFIG} says what k is.")
    return told or int(kept)


def _number(file: Path, found: dict[str, Any], name: str, default: float) -> float:
    one = found.get(name)
    if one is None:
        return default
    if not isinstance(one, Tensor) or one.numel() != 1:
        raise bad(file, f"'{name}' is no single number.")
    return float(one)


def _claims(path: Path) -> Claims | None:
    """What the tool's own evaluation found."""
    if not path.is_file():
        return None
    found = read_settings(path)
    explained = found.number("frac_variance_explained")
    return Claims(source=path.name, l0=found.number("l0"), fvu=None if explained is None else 1 - explained)
