"""GGUF files: checked before anything is allocated, then converted once into a folder of safetensors in the lab."""

import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hooke.errors import BadArtefact
from hooke.lab import Lab, provenance, require_space, staged, write_json, writing

CONVERSION = 1
"""Raise when the converter changes, so that older conversions are made anew."""
_PARSING = threading.Lock()
"""The names that `_parsed_once` stands in for are the whole process's."""


def check_gguf(path: Path) -> int:
    """The number of weights in a GGUF file whose parts all lie inside it.

    Raises:
        BadArtefact: it is no GGUF file, or is cut short, or its header does not parse.
    """
    from gguf import GGUFReader

    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(24)
    if len(head) < 24 or head[:4] != b"GGUF":
        raise BadArtefact(
            f"'{path}' is not a GGUF file.", "It does not begin with 'GGUF'.", "Give a model file in GGUF format."
        )
    n_tensors, n_keys = struct.unpack("<QQ", head[8:])
    if max(n_tensors, n_keys) * 8 > size:
        raise BadArtefact(
            f"'{path}' is damaged.",
            f"Its header claims {n_tensors} tensors and {n_keys} keys in {size} bytes.",
            "Fetch it again.",
        )
    try:
        reader = GGUFReader(path)
        ends = [int(tensor.data_offset) + int(tensor.n_bytes) for tensor in reader.tensors]
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeDecodeError, MemoryError) as error:
        raise BadArtefact(f"'{path}' is cut short or damaged.", f"{error}.", "Fetch it again.") from error
    if not ends or max(ends) > size:
        raise BadArtefact(
            f"'{path}' is cut short.",
            f"Its tensors end at byte {max(ends, default=0)}, the file at {size}.",
            "Fetch it again.",
        )
    return sum(int(tensor.n_elements) for tensor in reader.tensors)


def file_fingerprint(path: Path) -> str:
    """16 hex digits of the file's SHA-256."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]


def converted(path: Path, lab: Lab, name: str) -> Path:
    """The folder of the converted model in the lab, made on first use (float32, about four bytes a weight).

    Raises:
        BadArtefact: the file is damaged, or its architecture cannot be converted.
        OutOfSpace: the disk cannot hold the converted weights.
        LabBusy: another process is converting the same file.
    """
    target = lab.path("models", f"{name}-{file_fingerprint(path)}-v{CONVERSION}")
    if target.exists():
        return target
    with _parsed_once():
        n_weights = check_gguf(path)
        with writing(target):
            if target.exists():
                return target
            require_space(target.parent, 4 * n_weights)
            with staged(target) as aside:
                _convert(path, aside)
                write_json(
                    aside / "provenance.json", provenance(inputs={"file": path.name, "sha256": file_fingerprint(path)})
                )
    return target


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Inside the block a GGUF file is parsed once, and quickly.

    transformers parses the whole file for each thing that it wants of it, and makes the table of names anew for each
    module; that takes longer than all the rest of a conversion.
    """
    import gguf

    # Before anything is looked up: another thread's stand-ins are no base for one's own.
    with _PARSING:
        own = gguf.GGUFReader, gguf.get_tensor_name_map

        class Reader(gguf.GGUFReader):
            def __setattr__(self, name: str, value: Any) -> None:
                # A slice of a memory map takes several times as long as one of an array over it.
                super().__setattr__(name, np.asarray(value) if name == "data" else value)

        gguf.GGUFReader, gguf.get_tensor_name_map = cache(Reader), cache(gguf.get_tensor_name_map)  # pyright: ignore
        try:
            yield
        finally:
            gguf.GGUFReader, gguf.get_tensor_name_map = own  # pyright: ignore


def _convert(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from hooke.models.quiet import quiet_transformers

    source: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
            hf: Any = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **source)
    except (ValueError, KeyError, RuntimeError, NotImplementedError, OSError) as error:
        raise BadArtefact(
            f"'{path.name}' could not be converted.",
            f"{str(error).splitlines()[0]}.",
            "Its architecture may not be supported.",
        ) from error
    # transformers marks the model as quantised and would refuse to save it, though every weight is a plain float now.
    if hasattr(hf.config, "quantization_config"):
        del hf.config.quantization_config
    hf.hf_quantizer = None
    hf.is_quantized = False
    with quiet_transformers():
        hf.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
