"""Dictionaries as sparsify reads them: FOLDER/MODULE/cfg.json and sae.safetensors, and a config.json for the model."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats.hooks import HAS_POST_NORM
from hooke.dictionaries.formats.sparsify import ACROSS, CONFIG, RUN, WEIGHTS
from hooke.errors import BadRequest
from hooke.lab import require_space, staged, write_json

_MODULE = {"mlp_out": ".mlp", "resid_post": ""}


def write_sparsify(
    dictionary: Dictionary, folder: Path, *, module: str | None = None, model: str | None = None
) -> None:
    """Write a dictionary as one module's of a run; the folder appears complete or not at all.

    Args:
        dictionary: one with topk or groupmax.
        folder: the run's.
        module: path of the module in the base model; by default as in Llama or GPT-NeoX: layers.3 or layers.3.mlp.
        model: the model's name on the hub, by default the one that the dictionary was made for.

    Raises:
        BadRequest: the format cannot express it.
        OutOfSpace: the disk cannot hold it.
    """
    config = dictionary.config
    crosses = _require_expressible(dictionary)
    module = module or _module_of(dictionary)
    # There b_dec is taken from what an autoencoder reads: its product goes to the encoder's bias.
    bias = dictionary.b_enc if crosses else dictionary.b_enc + dictionary.b_dec @ dictionary.W_enc
    tensors: dict[str, Tensor] = {
        "encoder.weight": dictionary.W_enc.T,
        "encoder.bias": bias,
        "W_dec": dictionary.W_dec,
        "b_dec": dictionary.b_dec,
    }
    tensors |= {} if dictionary.skip is None else {"W_skip": dictionary.skip.T}
    norms = dictionary.W_dec.norm(dim=1)
    described = {
        "activation": config.activation,
        "expansion_factor": max(1, config.n_features // config.d_in),
        "normalize_decoder": bool(torch.allclose(norms, torch.ones_like(norms), atol=1e-3)),
        "num_latents": config.n_features,
        "k": config.k,
        "multi_topk": False,
        "skip_connection": config.skip,
        "transcode": crosses,
        "d_in": config.d_in,
    }
    require_space(folder, sum(tensor.nbytes for tensor in tensors.values()))
    with staged(folder) as aside:
        inside = aside / module
        inside.mkdir(parents=True)
        save_file({name: one.detach().cpu().contiguous() for name, one in tensors.items()}, inside / WEIGHTS)
        (inside / CONFIG).write_text(json.dumps(described), encoding="utf-8")
        write_json(aside / RUN, {"sae": described, "hookpoints": [module], "model": model or config.model})


def _require_expressible(dictionary: Dictionary) -> bool:
    """Whether it is a transcoder.

    Raises:
        BadRequest: it is neither that nor an autoencoder of that tool.
    """
    config = dictionary.config
    if config.activation not in ("topk", "groupmax") or config.signed or config.kind == "neurons":
        raise _inexpressible(dictionary, f"It has topk and groupmax only; this one is of kind {config.kind}.")
    if len(config.reads) > 1 or len(config.writes) > 1 or config.models or config.d_in != config.d_out:
        raise _inexpressible(dictionary, "It reads and writes one place each, of the same width.")
    reads, writes = dictionary.reads[0], dictionary.writes[0]
    if reads != writes and (ACROSS.get(reads.kind), reads.layer) != (writes.kind, writes.layer):
        found = f"It goes from a module's input to its output; this one from {reads} to {writes}."
        raise _inexpressible(dictionary, found)
    return reads != writes


def _module_of(dictionary: Dictionary) -> str:
    site = dictionary.writes[0]
    if site.kind not in _MODULE or (site.kind == "mlp_out" and HAS_POST_NORM.search(dictionary.config.model)):
        raise BadRequest(
            f"'{dictionary.name}' writes {site}, of which module is not plain.",
            "Models name it differently, or it is no module's output.",
            "Give the module: its path in the base model, such as layers.3.self_attn.",
        )
    return f"layers.{site.layer}{_MODULE[site.kind]}"


def _inexpressible(dictionary: Dictionary, found: str) -> BadRequest:
    return BadRequest(f"'{dictionary.name}' cannot be written in sparsify's format.", found, "Keep it in hooke's own.")
