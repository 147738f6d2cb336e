"""OpenAI's autoencoders of GPT-2 small: LOCATION_VERSION/autoencoders/LAYER.pt.

    acts = activation(W · (x - pre_bias) + latent_bias)        x_hat = D · acts + pre_bias

What is subtracted from the input is folded into the encoder's bias. Versions with TopK normalise each token by its own
mean and deviation and undo that on the output: no matrix does that, so they are refused.
"""

import re
from pathlib import Path
from typing import Any

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.assemble import assemble, bad, pick, require_shapes, require_site
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.pickle_names import mentions
from hooke.dictionaries.formats.pickled_weights import read_pickled
from hooke.sites import parse_site

_MODEL = "openai-community/gpt2"
_NAMES = {"pre_bias": "pre_bias", "encoder.weight": "W_enc", "latent_bias": "b_enc", "decoder.weight": "W_dec"}
# Statistics of training, and settings: no weights.
_BESIDE = {
    "stats_last_nonzero",
    "latents_activation_frequency",
    "latents_mean_square",
    "activation",
    "activation_state_dict",
}
_LOCATION = re.compile(
    r"(mlp_post_act|resid_delta_mlp|resid_delta_attn|resid_post_attn|resid_post_mlp)(?:_v[0-9]+)?(?:_[0-9]+k)?"
)
_KINDS = {
    "mlp_post_act": "neurons",
    "resid_delta_mlp": "mlp_out",
    "resid_delta_attn": "attn_out",
    "resid_post_attn": "resid_mid",
    "resid_post_mlp": "resid_post",
}


def recognises(path: Path) -> bool:
    """Whether a file's list of tensors is theirs."""
    return mentions(path, "latent_bias", "pre_bias", "encoder.weight")


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a file.

    Raises:
        BadArtefact: the file is damaged, or normalises its inputs token by token.
        BadRequest: neither folders nor the caller say the site.
    """
    found = read_pickled(path, unchecked=_BESIDE)
    _require_relu(path, found)
    tensors = pick(path, {name: one for name, one in found.items() if name not in _BESIDE}, _NAMES)
    encoder, pre_bias = tensors["W_enc"], tensors.pop("pre_bias")
    require_shapes(path, {"pre_bias": pre_bias}, {"pre_bias": tuple(encoder.shape[1:])})
    weights = {
        "W_enc": encoder.T,
        "b_enc": tensors["b_enc"] - encoder @ pre_bias,
        "W_dec": tensors["W_dec"].T,
        "b_dec": pre_bias,
    }
    site = str(parse_site(given.site)) if given.site else _site(path)
    return assemble(
        path,
        weights,
        name="-".join([*path.absolute().parts[-3:-2], path.stem]),
        model=given.model or _MODEL,
        reads=(site,),
        writes=(site,),
        kind="relu",
        folded=("input_bias",),
    )


def _require_relu(path: Path, found: dict[str, Any]) -> None:
    activation = found.get("activation", "ReLU")
    if activation == "TopK":
        raise bad(
            path,
            "It is of a version with TopK, which normalises each token by its own mean and deviation, and undoes that "
            "on the output: no weights do that, and a dictionary here is weights alone.",
        )
    if activation != "ReLU":
        raise bad(path, f"Its activation is {activation!r:.60}; ReLU is read.")


def _site(path: Path) -> str:
    locations = [match for part in path.absolute().parts[:-1] if (match := _LOCATION.fullmatch(part))]
    is_told = locations and path.stem.isdecimal()
    return require_site(path, f"{_KINDS[locations[-1][1]]}.{int(path.stem)}" if is_told else None)
