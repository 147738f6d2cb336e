"""A dictionary written as SAELens' sixth version lays it out."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.formats.hooks import hook_of
from hooke.dictionaries.formats.saelens import WEIGHTS
from hooke.dictionaries.formats.saelens_config import CONFIG
from hooke.errors import BadRequest
from hooke.lab import require_space, staged
from hooke.sites import parse_site

# The version of the layout that is written; below 6, readers would take the file for one of the flat ones.
_LAYOUT = "6.0.0"
_TRAINED_AS = {"relu": "standard", "matryoshka": "matryoshka_batchtopk"}


def write_saelens(dictionary: Dictionary, folder: Path, *, model: str | None = None) -> None:
    """Write a dictionary as a folder that SAELens reads, complete or not at all; what was folded stays folded.

    `model` is the base model's name there, by default the one that the dictionary was made for. The kind in training
    goes into the metadata, as SAELens itself keeps it: it computes batchtopk, matryoshka and gated ones as jumprelu.

    Raises:
        BadRequest: the format cannot express it.
        UnknownSite: a site has no name there.
        OutOfSpace: the disk cannot hold it.
    """
    config = dictionary.config
    architecture = _architecture(config)
    described = _described(config, architecture, model or config.model)
    tensors = {name: one.detach().to("cpu", torch.float32) for name, one in dictionary.named_parameters()}
    tensors = {name: one.T if name == "W_skip" else one for name, one in tensors.items()}
    require_space(folder, sum(one.nbytes for one in tensors.values()))
    with staged(folder) as aside:
        aside.mkdir()
        save_file({name: one.contiguous() for name, one in tensors.items()}, aside / WEIGHTS)
        (aside / CONFIG).write_text(json.dumps(described), encoding="utf-8")


def _architecture(config: DictionaryConfig) -> str:
    is_of_one = len(config.reads) == len(config.writes) == 1 and not config.models
    if config.kind == "neurons" or config.signed or not is_of_one:
        raise _inexpressible(config, "its activations are not negative, and it reads one site and writes one")
    if config.reads == config.writes and not config.skip:
        return {"relu": "standard"}.get(config.activation, config.activation)
    if config.activation == "topk" or any(site.startswith("z.") for site in (*config.reads, *config.writes)):
        raise _inexpressible(config, "what writes elsewhere than it reads is of relu or jumprelu, and not of heads")
    form = "skip_transcoder" if config.skip else "transcoder"
    return form if config.activation == "relu" else f"jumprelu_{form}"


def _described(config: DictionaryConfig, architecture: str, model: str) -> dict[str, Any]:
    reads, writes = (hook_of(parse_site(site)) for site in (*config.reads, *config.writes))
    is_transcoder = "transcoder" in architecture
    details = {"k": config.k, "matryoshka_widths": list(config.groups)}
    metadata = {
        "sae_lens_version": _LAYOUT,
        "model_name": model,
        "hook_name": reads,
        "hook_name_out": writes if is_transcoder else None,
        "training_architecture": _TRAINED_AS.get(config.kind, config.kind),
        "training_architecture_details": {name: value for name, value in details.items() if value},
        "l0": config.claims.l0 if config.claims else None,
        "folded": list(config.folded),
        "written_by": "hooke",
    }
    return {
        "d_in": config.d_in,
        "d_sae": config.n_features,
        "dtype": "float32",
        "device": "cpu",
        # Taken from the inputs or not, it is part of b_enc here.
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if reads.endswith("hook_z") else "none",
        "metadata": {name: value for name, value in metadata.items() if value not in (None, [], {})},
        **({"k": config.k} if architecture == "topk" else {}),
        **({"d_out": config.d_out} if is_transcoder else {}),
        "architecture": architecture,
    }


def _inexpressible(config: DictionaryConfig, rule: str) -> BadRequest:
    signs = ", with activations below zero" if config.signed else ""
    return BadRequest(
        f"'{config.name}' cannot be written as SAELens'.",
        f"It is of kind {config.kind}{signs}, reads {', '.join(config.reads)} and writes {', '.join(config.writes)}.",
        f"In SAELens' files, {rule}.",
    )
