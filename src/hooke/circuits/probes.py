"""Probes to trace: features of any dictionary that reads the residual stream, and directions kept in files.

resid_post.15/5204@smollm2-res        a feature's pre-activation, at the last token
refusal.npy@resid_post.15:4           a direction in a file, at token 4; negative counts from the end
"""

import re
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hooke.circuits.targets import Probe
from hooke.dictionaries.load import find_dictionary, load_dictionary
from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.lab import Lab
from hooke.sites import parse_feature
from hooke.tensor_files import read_header

_PLACE = r"(?::(-?\d{1,9}))?"
_FEATURE = re.compile(rf"([a-z_]+\.\d{{1,4}}/\d{{1,9}}@[A-Za-z0-9._-]+){_PLACE}")
_FILE = re.compile(rf"(.+\.(?:npy|safetensors))@([a-z_]+\.\d{{1,4}}){_PLACE}")


def targets_of(words: list[str], lab: Lab, *, with_files: bool) -> list[str | Probe]:
    """Words for targets, those of probes as probes; files are opened only where the words are the user's own.

    Raises:
        UnknownName: there is no such dictionary or feature.
        BadRequest: the dictionary reads no residual stream.
        BadArtefact: a file holds no direction.
    """
    found: list[str | Probe] = []
    for word in words:
        if (feature := _FEATURE.fullmatch(word)) is not None:
            found.append(feature_probe(feature[1], int(feature[2] or -1), lab))
        elif with_files and (file := _FILE.fullmatch(word)) is not None:
            found.append(file_probe(Path(file[1]), file[2], int(file[3] or -1)))
        else:
            found.append(word)
    return found


def feature_probe(address: str, position: int, lab: Lab) -> Probe:
    """A feature's pre-activation: what it responds to, and its bias.

    Raises:
        UnknownName: there is no such dictionary or feature.
        BadRequest: the dictionary reads no residual stream.
    """
    feature = parse_feature(address)
    dictionary = load_dictionary(find_dictionary(feature.dictionary or "", lab=lab), lab=lab)
    reads = dictionary.reads[0]
    if feature.index >= dictionary.n_features:
        raise UnknownName(
            f"No feature '{address}'.", f"'{dictionary.name}' has {dictionary.n_features:,}.", "Count from 0."
        )
    if feature.site != reads or not reads.kind.startswith("resid_"):
        raise BadRequest(
            f"'{address}' cannot be traced.",
            f"'{dictionary.name}' reads {reads}.",
            "Give a feature of a dictionary that reads the residual stream, by its own site.",
        )
    vector = dictionary.W_enc[:, feature.index].detach().float().clone()
    return Probe(address, str(reads), vector, float(dictionary.b_enc[feature.index]), position)


def file_probe(path: Path, site: str, position: int = -1) -> Probe:
    """A direction in a file: an .npy of one row of numbers, or a .safetensors of one such tensor, and maybe a bias.

    Raises:
        BadArtefact: the file cannot be read, or does not hold one direction.
    """
    vectors, bias = _read(path)
    if len(vectors) != 1 or not bool(vectors[0].isfinite().all()):
        raise _bad(path, f"It holds {len(vectors)} rows of numbers." if len(vectors) != 1 else "It is not finite.")
    return Probe(path.stem, site, vectors[0].float(), bias, position)


def _read(path: Path) -> tuple[list[Tensor], float]:
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            return ([torch.from_numpy(array.astype(np.float32))] if array.ndim == 1 else []), 0.0
        header = read_header(path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name, (_, shape) in header.items() if len(shape) <= 1}
    except (OSError, ValueError, SafetensorError) as error:
        raise _bad(path, f"{error}.") from error
    bias = tensors.pop("bias", None)
    return [one for one in tensors.values() if one.ndim == 1], 0.0 if bias is None else float(bias.flatten()[0])


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(
        f"'{path}' is no direction.", found, "Give an .npy or .safetensors file with one row of numbers."
    )
