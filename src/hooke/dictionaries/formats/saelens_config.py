"""SAELens' cfg.json of any version, as its sixth describes a dictionary.

Until version 5 the file was flat and named some things otherwise; it is brought up to date here, by rules that SAELens
itself applies. What hooke cannot compute is refused with its reason, before any weights are opened.
"""

import re
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from hooke.dictionaries.claims import Claims
from hooke.errors import BadArtefact, BadRequest
from hooke.lab import read_json

CONFIG, SCALER, WHITENING = "cfg.json", "activation_scaler.json", "activation_whitening.safetensors"

_TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
_BATCH = ("batchtopk", "matryoshka_batchtopk")
_RESCALING = ("topk", *_BATCH)
_ARCHITECTURES = ("standard", "gated", "jumprelu", "topk", *_BATCH, *_TRANSCODERS)
_REFUSED_ARCHITECTURES = {
    "abstopk": "its activations are the largest by size, whatever their sign",
    "matching_pursuit": "it chooses features one after the other by what those before left over",
    "temporal": "what it makes of a token depends on the tokens before it",
}
_FOLDED_NORMALISATIONS = ("none", "expected_average_only_in", "covariance_whitening")
_REFUSED_NORMALISATIONS = {
    "layer_norm": "each token is centred and scaled by itself, which no weights can take over",
    "constant_norm_rescale": "each token is scaled by its own norm, which no weights can take over",
}
_RENAMED = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index", "activation_fn_str": "activation_fn"}
_MAX_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What a cfg.json and the small files beside it say."""

    folder: Path
    """Where they are."""
    architecture: str
    """SAELens' name of the kind."""
    d_in: int
    """Width of what it reads."""
    d_sae: int
    """Number of features."""
    d_out: int
    """Width of what it writes."""
    k: int | None
    """Active features per token: exact for topk, the mean of training for others."""
    trained_as: str
    """The kind in training, where another one was saved."""
    groups: tuple[int, ...]
    """Matryoshka: widths of the nested dictionaries."""
    subtracts_b_dec: bool
    """Whether b_dec is taken from what it reads."""
    rescales: bool
    """Whether pre-activations are multiplied by the norm of what the feature writes, and divided by it in decoding."""
    scales_activations: bool
    """Whether a factor for each feature may stand between its activation and what it writes."""
    is_whitened: bool
    """Whether what it reads was whitened in training."""
    input_scale: float | None
    """What it reads was multiplied by this in training, if it was."""
    model: str | None
    """Name of the model."""
    hooks: tuple[str, str]
    """TransformerLens' names of what it reads and writes, '' where they are not given."""
    modules: tuple[str, str]
    """The same as paths of modules."""
    is_centred: bool
    """Whether it was trained on a model whose stream was centred."""
    folded: tuple[str, ...]
    """What its writer had folded into the weights, where hooke wrote it."""
    claims: Claims | None
    """What it says of its quality."""

    @property
    def is_transcoder(self) -> bool:
        """Whether it writes elsewhere than it reads."""
        return self.architecture in _TRANSCODERS

    @property
    def has_skip(self) -> bool:
        """Whether what it reads reaches what it writes by a matrix, too."""
        return "skip" in self.architecture

    @property
    def has_one_threshold(self) -> bool:
        """Whether it is a checkpoint of training with one threshold for all features."""
        return self.architecture in _BATCH

    @property
    def has_thresholds(self) -> bool:
        """Whether each feature has a threshold."""
        return "jumprelu" in self.architecture


def read_described(folder: Path, input_scale: float | None) -> Described:
    """What a folder's cfg.json says; `input_scale` is what it may leave out.

    Raises:
        BadArtefact: it is damaged, or describes what hooke cannot compute.
        BadRequest: the factor of its inputs is not known, or was given where there is none.
    """
    reader = _Reader(folder / CONFIG)
    data, metadata = _upgraded(reader)
    architecture = reader.text(data, "architecture") or "standard"
    if architecture in _REFUSED_ARCHITECTURES:
        raise reader.unsupported(f"'{architecture}'", _REFUSED_ARCHITECTURES[architecture])
    if architecture not in _ARCHITECTURES:
        raise reader.bad(f"Its architecture is '{architecture:.60}'; known are {', '.join(_ARCHITECTURES)}")
    if metadata.get("hook_head_index") is not None or metadata.get("hook_head_index_out") is not None:
        raise reader.unsupported("of one head", "hooke's sites have all heads")
    details = reader.table(metadata, "training_architecture_details")
    d_in, d_sae = reader.count(data, "d_in"), reader.count(data, "d_sae")
    is_transcoder = architecture in _TRANSCODERS
    normalisation = _normalisation(reader, data, is_transcoder=is_transcoder)
    return Described(
        folder=folder,
        architecture=architecture,
        d_in=d_in,
        d_sae=d_sae,
        d_out=reader.count(data, "d_out") if is_transcoder else d_in,
        k=_mean_count(reader, data, details),
        trained_as=reader.text(metadata, "training_architecture") or architecture,
        groups=_groups(reader, data if "matryoshka_widths" in data else details, d_sae),
        subtracts_b_dec=reader.flag(data, "apply_b_dec_to_input", default=not is_transcoder) and not is_transcoder,
        rescales=architecture in _RESCALING and reader.flag(data, "rescale_acts_by_decoder_norm", default=False),
        scales_activations=reader.flag(data, "finetuning_scaling_factor", default=False),
        is_whitened=normalisation == "covariance_whitening",
        input_scale=_input_scale(reader, data | metadata, normalisation, input_scale),
        model=reader.text(metadata, "model_name"),
        hooks=_pair(reader, metadata, "hook_name", is_transcoder=is_transcoder),
        modules=_pair(reader, metadata, "hf_hook_name", is_transcoder=is_transcoder),
        is_centred=reader.flag(
            reader.table(metadata, "model_from_pretrained_kwargs"), "center_writing_weights", default=False
        ),
        folded=reader.texts(metadata, "folded"),
        claims=_claims(reader, metadata),
    )


class _Reader:
    """Values of the types that they should have, from a file that nobody vouches for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def bad(self, found: str) -> BadArtefact:
        return BadArtefact(f"'{self.path}' could not be read as SAELens'.", f"{found}.", "Fetch a fresh copy.")

    def unsupported(self, what: str, why: str) -> BadArtefact:
        found = f"It is {what}: {why}."
        return BadArtefact(f"'{self.path.parent}' cannot be expressed here.", found, "Take another dictionary.")

    def file(self, path: Path) -> dict[str, Any]:
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise self.bad(f"{path.name} has {path.stat().st_size:,} bytes")
        data = read_json(path)
        if not isinstance(data, dict):
            raise self.bad(f"{path.name} is no table")
        return data

    def text(self, data: dict[str, Any], key: str) -> str | None:
        value = data.get(key)
        if value is not None and not (isinstance(value, str) and value.isprintable()):
            raise self.bad(f"'{key}' is {value!r:.60}, no text")
        return value or None

    def texts(self, data: dict[str, Any], key: str) -> tuple[str, ...]:
        values = data.get(key) or []
        if not isinstance(values, list) or not all(isinstance(one, str) and one.isprintable() for one in values):
            raise self.bad(f"'{key}' is {values!r:.60}, no texts")
        return tuple(values)

    def flag(self, data: dict[str, Any], key: str, *, default: bool) -> bool:
        value = data.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.bad(f"'{key}' is {value!r:.60}, neither true nor false")
        return default if value is None else value

    def count(self, data: dict[str, Any], key: str) -> int:
        value = data.get(key)
        if type(value) is not int or value < 1:
            raise self.bad(f"'{key}' is {value!r:.60}, no number of things")
        return value

    def number(self, data: dict[str, Any], key: str) -> float | None:
        value = data.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e30 or not isfinite(value):
            raise self.bad(f"'{key}' is {value!r:.60}, no number")
        return float(value)

    def table(self, data: dict[str, Any], key: str) -> dict[str, Any]:
        value = data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.bad(f"'{key}' is {value!r:.60}, no table")
        return value or {}


def _upgraded(reader: _Reader) -> tuple[dict[str, Any], dict[str, Any]]:
    """A config and its metadata as version 6 has them."""
    data = reader.file(reader.path)
    metadata = reader.table(data, "metadata")
    told = reader.text(data, "sae_lens_version") or reader.text(metadata, "sae_lens_version") or ""
    version = re.match("[0-9]{1,6}", told)
    if version and int(version.group()) >= 6:
        return data, metadata
    data = {_RENAMED.get(key, key): value for key, value in data.items()}
    activation = reader.text(data, "activation_fn") or "relu"
    if activation not in ("relu", "topk"):
        raise reader.unsupported(f"of activation function '{activation:.60}'", "hooke has relu, topk and jumprelu")
    if activation == "topk":
        data |= {"architecture": "topk", "k": reader.table(data, "activation_fn_kwargs").get("k")}
    if isinstance(data.get("normalize_activations"), bool):
        data["normalize_activations"] = "expected_average_only_in" if data["normalize_activations"] else "none"
    metadata = data | metadata
    layer = metadata.get("hook_layer", metadata.get("hook_point_layer"))
    hook = reader.text(metadata, "hook_name") or ""
    return data, metadata | {"hook_name": hook.replace("{layer}", str(layer)) if type(layer) is int else hook}


def _normalisation(reader: _Reader, data: dict[str, Any], *, is_transcoder: bool) -> str:
    found = reader.text(data, "normalize_activations") or "none"
    if found in _REFUSED_NORMALISATIONS:
        raise reader.unsupported(f"of normalisation '{found}'", _REFUSED_NORMALISATIONS[found])
    if found not in _FOLDED_NORMALISATIONS:
        raise reader.bad(f"Its normalize_activations is '{found:.60}'; known are {', '.join(_FOLDED_NORMALISATIONS)}")
    if found != "none" and is_transcoder:
        raise reader.unsupported(f"a transcoder of normalisation '{found}'", "how its output was scaled is not said")
    return found


def _input_scale(reader: _Reader, data: dict[str, Any], normalisation: str, given: float | None) -> float | None:
    if normalisation != "expected_average_only_in":
        if given is not None:
            raise BadRequest(
                f"'{reader.path.parent}' takes no input scale.",
                f"Its normalize_activations is '{normalisation}'.",
                "Leave it out.",
            )
        return None
    beside = reader.path.with_name(SCALER)
    told = reader.number(reader.file(beside), "scaling_factor") if beside.is_file() else None
    scale = next((one for one in (given, told, reader.number(data, "norm_scaling_factor")) if one is not None), None)
    if scale is None:
        raise BadRequest(
            f"'{reader.path.parent}' was trained on scaled inputs, and its files leave out the factor.",
            "Its normalize_activations is 'expected_average_only_in'.",
            "Give it: --input-scale, which is sqrt(d_in) / mean norm of what it reads.",
        )
    if not (isfinite(scale) and 1e-30 < scale < 1e30):
        raise BadRequest(f"Inputs cannot be scaled by {scale}.", "", "Give a number above 0.")
    return scale


def _mean_count(reader: _Reader, data: dict[str, Any], details: dict[str, Any]) -> int | None:
    k = reader.number(data if data.get("k") is not None else details, "k")
    return int(k) if k is not None and k == int(k) else None


def _groups(reader: _Reader, data: dict[str, Any], d_sae: int) -> tuple[int, ...]:
    widths = data.get("matryoshka_widths") or []
    if not isinstance(widths, list) or not all(type(one) is int and 0 < one <= d_sae for one in widths):
        raise reader.bad(f"'matryoshka_widths' is {widths!r:.60}")
    # SAELens, too, adds the last group, where it is left out.
    return (*widths, d_sae) if widths and widths[-1] < d_sae else tuple(widths)


def _pair(reader: _Reader, metadata: dict[str, Any], key: str, *, is_transcoder: bool) -> tuple[str, str]:
    first = reader.text(metadata, key) or ""
    return first, (reader.text(metadata, f"{key}_out") or "") if is_transcoder else first


def _claims(reader: _Reader, metadata: dict[str, Any]) -> Claims | None:
    l0, first_token = reader.number(metadata, "l0"), _saw_first_token(metadata)
    if l0 is None and first_token is None:
        return None
    return Claims(source=f"{CONFIG}, metadata", l0=l0, first_token=first_token)


def _saw_first_token(metadata: dict[str, Any]) -> bool | None:
    """Whether training used the first position; None where the file does not say which it used."""
    part = metadata.get("seqpos_slice")
    if not isinstance(part, list):
        return None
    if part and type(part[0]) is int and part[0] > 0:
        return False
    return not (metadata.get("exclude_special_tokens") and metadata.get("prepend_bos"))
