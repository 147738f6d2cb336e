"""Llama Scope: hyperparams.json and checkpoints/final.safetensors, two linear layers, [feature, d] and [d, feature].

The first release is read by its own library's recipe: with s and t what inputs and outputs were multiplied by,

    b_enc / s,   b_dec / t,   W_dec · s / t       and then each feature's decoder to norm 1, its encoder by that norm

and features are active above one threshold for all. The release for reasoning models has config.json,
sae_weights.safetensors and a threshold for each feature, learnt at the scale of training, where it is compared; its
activations stay at that scale.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, bad, encoder_sizes, pick, read_safetensors, require_model
from hooke.dictionaries.formats.folding import fold_norm
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.lm_saes import hooked_site, is_scaled, norm_before, scale
from hooke.dictionaries.formats.pickle_names import mentions
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.dictionaries.formats.settings import Settings, read_settings
from hooke.errors import BadArtefact
from hooke.sites import parse_site
from hooke.tensor_files import read_header

_FIRST, _LATER = "hyperparams.json", "config.json"
# In the order in which the suite's own library looks for them.
_FILES = tuple(
    f"{stem}.{suffix}"
    for stem in ("sae_weights", "checkpoints/pruned", "checkpoints/final")
    for suffix in ("safetensors", "pt")
)
_NAMES = {
    "encoder.weight": "W_enc",
    "encoder.bias": "b_enc",
    "decoder.weight": "W_dec",
    "decoder.bias": "b_dec",
    "log_jumprelu_threshold": "threshold",
}
_MODEL = re.compile(r"Llama3_1-8B-Base-L(?:[0-9]+|X)(?:R|A|M|TC)-")


def recognises(path: Path) -> bool:
    """Whether a folder has a config of theirs and weights of theirs."""
    if not path.is_dir() or not any((path / one).is_file() for one in (_FIRST, _LATER)):
        return False
    file = _weights_file(path)
    if file is None or file.suffix == ".pt":
        return file is not None and mentions(file, "encoder.weight", "decoder.weight")
    try:
        return {"encoder.weight", "decoder.weight"} <= set(read_header(file)) and (
            (path / _FIRST).is_file() or "log_jumprelu_threshold" in read_header(file)
        )
    except BadArtefact:
        return (path / _FIRST).is_file()


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a folder.

    Raises:
        BadArtefact: a file is damaged, or of a kind that weights alone cannot be.
        BadRequest: the model, or its norms, are needed and not given.
    """
    config = read_settings(path / (_FIRST if (path / _FIRST).is_file() else _LATER))
    if config.text("act_fn", "jumprelu").lower() != "jumprelu" or config.flag("use_glu_encoder", False):
        raise config.refused("act_fn", "jumprelu, without a gated encoder")
    if config.flag("apply_decoder_bias_to_pre_encoder", False):
        raise config.refused("apply_decoder_bias_to_pre_encoder", "false, as in every published one")
    file = _weights_file(path)
    assert file is not None
    tensors = _read(file, config)
    d_in, n, d_out = encoder_sizes(file, tensors)
    model = require_model(path, given.model or _model(path) or config.text("model_name"))
    hook = config.text("hook_point_in")
    reads = parse_site(given.site) if given.site else hooked_site(path, hook, model)
    writes = reads if given.site else hooked_site(path, config.text("hook_point_out", hook), model)
    folded: tuple[str, ...] = ()
    s = t = 1.0
    if is_scaled(config):
        norms = config.table("dataset_average_activation_norm")
        s = scale(config.path, d_in, norms.number("in"), given.input_scale)
        t = scale(config.path, d_out, norms.number("out"), given.input_scale)
        folded = (f"input_scale={s:.9g}", f"output_scale={t:.9g}")
    has_norm = config.flag("sparsity_include_decoder_norm", True)
    if "threshold" in tensors:
        weights = _at_training_scale(tensors, s, t, has_norm)
    else:
        weights = _by_recipe(tensors, s, t, has_norm) | {"threshold": torch.full((n,), _one_threshold(config))}
        folded += ("unit_decoder",) if has_norm else ()
    norm = None if given.site else norm_before(path, hook, reads, given.norms)
    return assemble(
        file,
        fold_norm(weights, norm, file) if norm else weights,
        name=path.absolute().name,
        model=model,
        reads=(str(reads),),
        writes=(str(writes),),
        kind="jumprelu",
        folded=(*folded, "norm_gain") if norm else folded,
        signed=bool((weights["threshold"] < 0).any()),
    )


def _by_recipe(tensors: dict[str, Tensor], s: float, t: float, has_norm: bool) -> dict[str, Tensor]:
    decoder = tensors["W_dec"] * (s / t)
    r = decoder.norm(dim=1).clamp_min(1e-30) if has_norm else torch.ones(len(decoder))
    return {
        "W_enc": tensors["W_enc"] * r,
        "b_enc": tensors["b_enc"] / s * r,
        "W_dec": decoder / r[:, None],
        "b_dec": tensors["b_dec"] / t,
    }


def _at_training_scale(tensors: dict[str, Tensor], s: float, t: float, has_norm: bool) -> dict[str, Tensor]:
    threshold = tensors["threshold"].exp()
    return {
        "W_enc": tensors["W_enc"] * s,
        "b_enc": tensors["b_enc"],
        "W_dec": tensors["W_dec"] / t,
        "b_dec": tensors["b_dec"] / t,
        # What is compared there is the pre-activation times the norm of the decoder.
        "threshold": threshold / tensors["W_dec"].norm(dim=1).clamp_min(1e-30) if has_norm else threshold,
    }


def _one_threshold(config: Settings) -> float:
    threshold = config.number("jump_relu_threshold")
    if threshold is None:
        raise config.refused("jump_relu_threshold", "the threshold of the features")
    return threshold


def _weights_file(folder: Path) -> Path | None:
    return next((folder / one for one in _FILES if (folder / one).is_file()), None)


def _read(file: Path, config: Settings) -> dict[str, Tensor]:
    found: Any = read_safetensors(file) if file.suffix == ".safetensors" else read_pickled(file).get("sae")
    if not isinstance(found, dict):
        raise bad(file, "It has no table 'sae'.")
    optional = {"log_jumprelu_threshold"} | ({"decoder.bias"} if not config.flag("use_decoder_bias", True) else set())
    tensors = pick(file, found, _NAMES, optional=optional)
    for name in ("W_enc", "W_dec"):
        if tensors[name].ndim != 2:
            raise bad(file, f"'{name}' has shape {tuple(tensors[name].shape)}.")
        tensors[name] = tensors[name].T
    tensors.setdefault("b_dec", torch.zeros(tensors["W_dec"].shape[1]))
    return tensors


def _model(path: Path) -> str | None:
    return "meta-llama/Llama-3.1-8B" if _MODEL.search(path.absolute().as_posix()) else None
