"""SAELens' cfg.json of any version, as its sixth describes a dictionary.

Until version 5 the file was flat and named some things otherwise; it is brought up to date here, by rules that SAELens
itself applies. What hooke cannot compute is refused with its reason, before any weights are opened.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.errors import BadArtefact, BadRequest

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
    model: str
    """Name of the model, '' where it is not given."""
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
    config, metadata = _upgraded(read_settings(folder / CONFIG))
    architecture = config.text("architecture", "standard")
    if architecture in _REFUSED_ARCHITECTURES:
        raise _unsupported(folder, f"'{architecture}'", _REFUSED_ARCHITECTURES[architecture])
    if architecture not in _ARCHITECTURES:
        raise config.refused("architecture", f"one of {', '.join(_ARCHITECTURES)}")
    if metadata.data.get("hook_head_index") is not None or metadata.data.get("hook_head_index_out") is not None:
        raise _unsupported(folder, "of one head", "hooke's sites have all heads")
    details = metadata.table("training_architecture_details")
    d_in, d_sae = _count(config, "d_in"), _count(config, "d_sae")
    is_transcoder = architecture in _TRANSCODERS
    normalisation = _normalisation(config, is_transcoder=is_transcoder)
    return Described(
        folder=folder,
        architecture=architecture,
        d_in=d_in,
        d_sae=d_sae,
        d_out=_count(config, "d_out") if is_transcoder else d_in,
        k=_mean_count(config if config.data.get("k") is not None else details),
        trained_as=metadata.text("training_architecture", architecture),
        groups=_groups(config if "matryoshka_widths" in config.data else details, d_sae),
        subtracts_b_dec=not is_transcoder and config.flag("apply_b_dec_to_input", True),
        rescales=architecture in _RESCALING and config.flag("rescale_acts_by_decoder_norm", False),
        scales_activations=config.flag("finetuning_scaling_factor", False),
        is_whitened=normalisation == "covariance_whitening",
        input_scale=_input_scale(config, metadata, normalisation, input_scale),
        model=_printable(metadata, "model_name", metadata.text("model_name")),
        hooks=_pair(metadata, "hook_name", is_transcoder=is_transcoder),
        modules=_pair(metadata, "hf_hook_name", is_transcoder=is_transcoder),
        is_centred=metadata.table("model_from_pretrained_kwargs").flag("center_writing_weights", False),
        folded=tuple(_printable(metadata, "folded", one) for one in metadata.texts("folded")),
        claims=_claims(metadata),
    )


def _upgraded(config: Settings) -> tuple[Settings, Settings]:
    """A config and its metadata as version 6 has them."""
    metadata = config.table("metadata")
    version = re.match("[0-9]{1,6}", config.text("sae_lens_version") or metadata.text("sae_lens_version"))
    if version and int(version.group()) >= 6:
        return config, metadata
    old = Settings(config.path, {_RENAMED.get(key, key): value for key, value in config.data.items()})
    activation = old.text("activation_fn", "relu")
    if activation not in ("relu", "topk"):
        raise _unsupported(config.path.parent, f"of activation '{activation:.60}'", "hooke has relu, topk and jumprelu")
    if activation == "topk":
        old.data.update(architecture="topk", k=old.table("activation_fn_kwargs").data.get("k"))
    if isinstance(scaled := old.data.get("normalize_activations"), bool):
        old.data["normalize_activations"] = "expected_average_only_in" if scaled else "none"
    told = Settings(config.path, old.data | metadata.data)
    layer = told.data.get("hook_layer", told.data.get("hook_point_layer"))
    if type(layer) is int:
        told.data["hook_name"] = told.text("hook_name").replace("{layer}", str(layer))
    return old, told


def _normalisation(config: Settings, *, is_transcoder: bool) -> str:
    found, folder = config.text("normalize_activations") or "none", config.path.parent
    if found in _REFUSED_NORMALISATIONS:
        raise _unsupported(folder, f"of normalisation '{found}'", _REFUSED_NORMALISATIONS[found])
    if found not in _FOLDED_NORMALISATIONS:
        raise config.refused("normalize_activations", f"one of {', '.join(_FOLDED_NORMALISATIONS)}")
    if found != "none" and is_transcoder:
        raise _unsupported(folder, f"a transcoder of normalisation '{found}'", "how its output was scaled is not said")
    return found


def _input_scale(config: Settings, metadata: Settings, normalisation: str, given: float | None) -> float | None:
    folder = config.path.parent
    if normalisation != "expected_average_only_in":
        if given is not None:
            found = f"Its normalize_activations is '{normalisation}'."
            raise BadRequest(f"'{folder}' takes no input scale.", found, "Leave it out.")
        return None
    scaler = folder / SCALER
    told = read_settings(scaler).number("scaling_factor") if scaler.is_file() else None
    places = (given, told, config.number("norm_scaling_factor"), metadata.number("norm_scaling_factor"))
    scale = next((one for one in places if one is not None), None)
    if scale is None:
        raise BadRequest(
            f"'{folder}' was trained on scaled inputs, and its files leave out the factor.",
            "Its normalize_activations is 'expected_average_only_in'.",
            "Give it: --input-scale, which is sqrt(d_in) / mean norm of what it reads.",
        )
    if not 1e-30 < scale < 1e30:
        raise BadRequest(f"Inputs cannot be scaled by {scale}.", "", "Give a number above 0.")
    return scale


def _count(config: Settings, key: str) -> int:
    found = config.whole(key)
    if found is None or found < 1:
        raise config.refused(key, "a whole number above 0")
    return found


def _mean_count(told: Settings) -> int | None:
    """How many are active; nothing where a mean in training was no whole number."""
    k = told.number("k")
    return int(k) if k is not None and k.is_integer() else None


def _groups(told: Settings, d_sae: int) -> tuple[int, ...]:
    widths = told.wholes("matryoshka_widths") or ()
    # SAELens, too, adds the last group, where it is left out.
    return (*widths, d_sae) if widths and widths[-1] < d_sae else widths


def _pair(metadata: Settings, key: str, *, is_transcoder: bool) -> tuple[str, str]:
    first = metadata.text(key)
    return first, metadata.text(f"{key}_out") if is_transcoder else first


def _printable(metadata: Settings, key: str, text: str) -> str:
    if not text.isprintable():
        raise metadata.refused(key, "text that can be shown")
    return text


def _claims(metadata: Settings) -> Claims | None:
    l0, first_token = metadata.number("l0"), _saw_first_token(metadata)
    if l0 is None and first_token is None:
        return None
    return Claims(source=f"{CONFIG}, metadata", l0=l0, first_token=first_token)


def _saw_first_token(metadata: Settings) -> bool | None:
    """Whether training used the first position; None where the file does not say which it used."""
    part = metadata.data.get("seqpos_slice")
    if not isinstance(part, list):
        return None
    if part and type(part[0]) is int and part[0] > 0:
        return False
    return not (metadata.data.get("exclude_special_tokens") and metadata.data.get("prepend_bos"))


def _unsupported(folder: Path, what: str, why: str) -> BadArtefact:
    found = f"It is {what}: {why}."
    return BadArtefact(f"'{folder}' cannot be expressed here.", found, "Take another dictionary.")
