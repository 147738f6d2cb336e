"""OpenMOSS' Language-Model-SAEs as they are now: config.json with `sae_type`, and sae_weights.safetensors.

    p = (s · x) · W_E + b_E       active where p · |W_D| passes the threshold       x_hat = (acts · W_D + b_D) / t

with s and t what inputs and outputs are multiplied by. Activations stay at that scale: s goes into the encoder, t into
the decoder, the norm of the decoder into the threshold. Only TopK, which compares features with one another, needs
decoders of norm 1, and its activations are larger by that norm.
"""

from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, Kind
from hooke.dictionaries.formats.assemble import assemble, bad, encoder_sizes, pick, require_model
from hooke.dictionaries.formats.folding import fold_norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.lm_saes import hooked_site, is_scaled, norm_before, scale
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.dictionaries.formats.weights_file import map_weights
from hooke.errors import BadArtefact, BadRequest
from hooke.tensor_files import read_header

CONFIG, WEIGHTS = "config.json", "sae_weights.safetensors"
_NAMES = {"W_E": "W_enc", "b_E": "b_enc", "W_D": "W_dec", "b_D": "b_dec"}
THRESHOLD, _NORM = "activation_function.log_jumprelu_threshold", "dataset_average_activation_norm."
_KINDS: dict[str, Kind] = {"relu": "relu", "jumprelu": "jumprelu", "topk": "topk"}
_REFUSED = {
    "lorsa": "its features attend from token to token",
    "molt": "its features are low-rank maps of what is read, and write no fixed direction",
    "crosscoder": "its features share several sites by a layout that is not documented",
}


def recognises(path: Path) -> bool:
    """Whether a folder has a config of theirs and their weights."""
    return sae_type(path) is not None


def sae_type(folder: Path) -> str | None:
    """What a folder of theirs holds; None where it is none of theirs."""
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        return None
    try:
        return read_settings(folder / CONFIG).text("sae_type") or None
    except BadArtefact:
        return None


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a folder.

    Raises:
        BadArtefact: a file is damaged, or of a kind that is no dictionary here.
        BadRequest: the model, or its norms, are needed and not given.
    """
    config, file = read_settings(path / CONFIG), path / WEIGHTS
    _require_dictionary(config)
    kind = activation(config, {"relu", "jumprelu", "topk"})
    tensors, norms = _read(file, config, kind)
    d_in, _, d_out = encoder_sizes(file, tensors)
    model = require_model(path, given.model or config.text("model_name"))
    hook_in = config.text("hook_point_in")
    hook_out = config.text("hook_point_out", hook_in)
    reads, writes = (hooked_site(path, hook, model) for hook in (hook_in, hook_out))
    folded: tuple[str, ...] = ()
    s = t = 1.0
    if is_scaled(config):
        s = scale(config.path, d_in, norms.get(hook_in), given.input_scale)
        t = scale(config.path, d_out, norms.get(hook_out), given.input_scale)
        folded = (f"input_scale={s:.9g}", f"output_scale={t:.9g}")
    r = tensors["W_dec"].norm(dim=1).clamp_min(1e-30)
    tensors |= {"W_enc": tensors["W_enc"] * s, "W_dec": tensors["W_dec"] / t, "b_dec": tensors["b_dec"] / t}
    if config.flag("sparsity_include_decoder_norm", True):
        if kind == "jumprelu":
            tensors["threshold"] = tensors["threshold"] / r
        if kind == "topk":
            tensors |= {"W_enc": tensors["W_enc"] * r, "b_enc": tensors["b_enc"] * r}
            tensors |= {"W_dec": tensors["W_dec"] / r[:, None]}
            folded += ("decoder_norm",)
    norm = norm_before(path, hook_in, reads, given.norms)
    return assemble(
        file,
        fold_norm(tensors, norm, file) if norm else tensors,
        name=path.absolute().name,
        model=model,
        reads=(str(reads),),
        writes=(str(writes),),
        kind=kind,
        k=config.whole("top_k") if kind == "topk" else None,
        folded=(*folded, "norm_gain") if norm else folded,
    )


def activation(config: Settings, known: set[str]) -> Kind:
    """The kind that a config's activation function makes.

    Raises:
        BadArtefact: it is none of those known, or the encoder has a gate.
    """
    name = config.text("act_fn").lower()
    if name not in known or config.flag("use_glu_encoder", False):
        raise config.refused("use_glu_encoder" if name in known else "act_fn", f"one of {', '.join(sorted(known))}")
    return _KINDS[name]


def _require_dictionary(config: Settings) -> None:
    form = config.text("sae_type")
    if form == "clt":
        raise BadRequest(
            f"'{config.path.parent}' is not one dictionary.",
            "It is a cross-layer transcoder.",
            "Import it: hooke dictionary import FOLDER NAME; it opens as a whole.",
        )
    if form != "sae":
        why = _REFUSED.get(form, "this kind is not known")
        raise bad(config.path, f"It is a '{form:.40}': {why}.")


def _read(file: Path, config: Settings, kind: Kind) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The tensors by our names, and the mean norms of the data by hook."""
    shapes = {name: shape for name, (_, shape) in read_header(file).items()}
    beside = [name for name in shapes if name.startswith(_NORM)]
    # Norms that are not used are written as whatever was in the memory.
    found = map_weights(file, shapes, unchecked=beside)
    norms = {name.removeprefix(_NORM): float(found.pop(name)) for name in beside if shapes[name] == ()}
    names = _NAMES | ({THRESHOLD: "threshold"} if kind == "jumprelu" else {})
    optional = () if config.flag("use_decoder_bias", True) else ("b_D",)
    tensors = pick(file, found, names, optional=optional)
    if "threshold" in tensors:
        tensors["threshold"] = tensors["threshold"].exp()
    if "b_dec" not in tensors:
        tensors["b_dec"] = torch.zeros(tensors["W_dec"].shape[-1])
    return tensors, norms
