"""Open a model by a zoo name, its name in the lab, a local Hugging Face folder, a hub id or a GGUF file."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hooke.configs import content_hash
from hooke.errors import BadArtefact, BadConfig, ShapeMismatch, UnknownName, UnsupportedModel, did_you_mean
from hooke.lab import Lab, open_lab, read_json
from hooke.models.gguf_files import converted
from hooke.models.model import Model
from hooke.models.quiet import quiet_transformers
from hooke.models.zoo import ZOO, zoo_file
from hooke.tensor_files import read_header

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    ref: str | Path,
    *,
    device: str = "auto",
    dtype: str | torch.dtype = "auto",
    revision: str | None = None,
    lab: Lab | None = None,
    name: str | None = None,
) -> Model:
    """The model that `ref` names, unchanged, with its tokenizer and chat template.

    Args:
        ref: a zoo name (`smollm2-135m`), a name in the lab (`specimen-induction`), a folder with config.json and
            safetensors, a hub id (`owner/name`) or a .gguf file.
        device: "auto" takes a GPU when there is one.
        dtype: "auto" is float32 on a CPU and the model's own dtype elsewhere.
        revision: branch, tag or commit of a hub id.
        lab: where converted models are kept; the default lab when not given.
        name: what to call it; taken from `ref` when not given.

    Raises:
        UnknownName: nothing by that name is here, or the hub cannot be reached.
        BadArtefact: a file is cut short, damaged, a pickle, or does not hold the weights that its config asks for.
        ShapeMismatch: the tokenizer does not belong to the model.
        UnsupportedModel: no list of decoder blocks was found in it.
    """
    lab = lab or open_lab()
    where = pick_device(device)
    text = str(ref)
    if text in ZOO:
        folder = converted(zoo_file(text), lab, text)
        return _open(folder, name or text, where, dtype, lab)
    path = Path(text).expanduser()
    if text.endswith(".gguf"):
        if not path.is_file():
            raise UnknownName(f"No file '{text}'.", "", "Check the path.")
        stem = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).strip(".-") or "model"
        return _open(converted(path, lab, stem), name or stem, where, dtype, lab)
    kept = lab.names("models")
    if text in kept:
        return _open(lab.path("models", text), name or text, where, dtype, lab)
    if path.is_dir():
        return _open(path, name or path.resolve().name, where, dtype, lab)
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text) and not path.exists():
        return _open(_fetched(text, revision), name or text.replace("/", "--"), where, dtype, lab)
    raise UnknownName(
        f"No model '{text}'.",
        did_you_mean(text, [*ZOO, *kept]) or f"Models by name: {', '.join([*ZOO, *kept][:12])}.",
        "Give a name, a folder with config.json, a hub id like owner/name, or a .gguf file.",
    )


def pick_device(device: str) -> torch.device:
    """The device that a word names.

    Raises:
        BadConfig: there is no such device on this machine.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BadConfig(
            f"No device '{device}' on this machine.", f"{str(error).splitlines()[0]}.", "Use auto or cpu."
        ) from error
    return found


def pick_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype | str:
    """The dtype that a word names; float32 on a CPU and the model's own elsewhere for "auto".

    Raises:
        BadConfig: no such dtype.
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if dtype not in DTYPES:
        raise BadConfig(f"No dtype '{dtype}'.", did_you_mean(dtype, DTYPES), f"Use auto, {', '.join(DTYPES)}.")
    return DTYPES[dtype]


def _fetched(ref: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    is_offline = any(
        os.environ.get(flag, "").upper() in ("1", "TRUE", "ON", "YES")
        for flag in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(ref, revision=revision, allow_patterns=wanted, local_files_only=is_offline))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        found = "This machine is set to work offline." if is_offline else f"{str(error).splitlines()[0]}"
        raise UnknownName(
            f"'{ref}' could not be fetched from the hub.",
            found,
            "Check the id and the network, or give a local folder.",
        ) from error


def _open(folder: Path, name: str, device: torch.device, dtype: str | torch.dtype, lab: Lab) -> Model:
    weights = _check_folder(folder)
    hf = _open_weights(folder, device, pick_dtype(dtype, device))
    tokenizer = _open_tokenizer(folder, hf)
    return Model(hf, tokenizer, name=name, fingerprint=content_hash(weights), lab=lab)


def _check_folder(folder: Path) -> dict[str, Any]:
    """What identifies each weight file, once its header tells the truth about it."""
    read_json(folder / "config.json")
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = [path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.pkl") for path in folder.glob(pattern)]
        found = f"Found {', '.join(pickles)}: pickles can run code and are not opened." if pickles else "It has none."
        raise BadArtefact(f"'{folder}' has no .safetensors weights.", found, "Convert the weights to safetensors.")
    return {path.name: [content_hash(read_header(path)), _sampled_hash(path)] for path in files}


def _sampled_hash(path: Path) -> str:
    """A hash of 64 blocks spread over a file: quick, and enough to tell a fine-tune, which changes all weights."""
    size, found = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as handle:
        for part in range(64):
            handle.seek(part * size // 64)
            found.update(handle.read(1 << 16))
    return found.hexdigest()[:16]


def _open_weights(folder: Path, device: torch.device, dtype: torch.dtype | str) -> nn.Module:
    from transformers import AutoModelForCausalLM

    try:
        with quiet_transformers():
            opened: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
            hf, report = opened
    except (ValueError, KeyError, RuntimeError, OSError, TypeError) as error:
        raise UnsupportedModel(
            f"'{folder.name}' could not be opened.", f"{str(error).splitlines()[0]}.", "See its config.json."
        ) from error
    missing, misfits = sorted(report["missing_keys"]), list(report.get("mismatched_keys", ()))
    if missing or misfits:
        some = ", ".join([*map(str, missing), *(str(one[0]) for one in misfits)][:4])
        raise BadArtefact(
            f"The weights in '{folder.name}' are not those that its config.json asks for.",
            f"{len(missing)} missing, {len(misfits)} of another shape: {some}.",
            "Fetch the folder again; hooke never fills weights with random numbers.",
        )
    return hf.to(device)


def _open_tokenizer(folder: Path, hf: nn.Module) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError, TypeError, RuntimeError) as error:
        raise BadArtefact(
            f"The tokenizer in '{folder.name}' could not be opened.",
            f"{str(error).splitlines()[0]}.",
            "Put the model's tokenizer files beside its weights.",
        ) from error
    n_embeddings = hf.get_input_embeddings().weight.shape[0]  # pyright: ignore
    top = max(tokenizer.get_vocab().values(), default=-1)
    if top >= n_embeddings:
        raise ShapeMismatch(
            f"The tokenizer in '{folder.name}' does not belong to the model.",
            f"It has ids up to {top}, the model {n_embeddings} token embeddings.",
            "Put the model's own tokenizer files there.",
        )
    return tokenizer
