"""Files of a feature index: memory-mapped safetensors, log-coded activations, and the manifest that readers trust.

An activation is coded on a logarithmic scale. Fine codes (16 bits, 1024 steps per octave, 0.03 %) order postings while
an index is built; coarse codes (8 bits, 16 steps per octave, 2 %) are what it keeps, counted down from its largest.
"""

import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray
from safetensors.numpy import save_file

from hooke.configs import from_dict, to_dict
from hooke.dictionaries.dictionary import Dictionary
from hooke.errors import BadArtefact, BadConfig
from hooke.lab import read_json, staged, write_json
from hooke.tensor_files import read_header

SCHEMA = 1
MANIFEST = "index.json"

_FINE, _COARSE = 1024, 16
_SMALLEST = -32  # log2 of the smallest activation that a fine code can tell from zero
_RATIO = _FINE // _COARSE

N_BINS = 32
"""Bins of a histogram: half-octaves, down from the index's largest activation."""
_CODES_PER_BIN = _COARSE // 2

_DTYPES = {
    "I8": np.int8,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
    "U64": np.uint64,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
    "BOOL": np.bool_,
}


def fine_codes(values: Float[ndarray, " n"]) -> UInt16[ndarray, " n"]:
    """Positive activations as 16-bit logarithms; larger values never have smaller codes."""
    steps = np.rint((np.log2(values) - _SMALLEST) * _FINE)
    return np.clip(steps, 1, 65535).astype(np.uint16)


def fine_levels(codes: UInt16[ndarray, " n"]) -> Float[ndarray, " n"]:
    """The activations that fine codes stand for."""
    return np.exp2(codes.astype(np.float32) / _FINE + _SMALLEST)


def coarse_codes(codes: UInt16[ndarray, " n"], top: int) -> UInt8[ndarray, " n"]:
    """Fine codes as 8-bit ones, 255 for the index's largest; what lies 16 octaves below it or more is 1."""
    below = _coarse_step(top) - _coarse_step(codes.astype(np.int32))
    return np.clip(255 - below, 1, 255).astype(np.uint8)


def _coarse_step(codes: Any) -> Any:
    return (codes + _RATIO // 2) // _RATIO


@cache
def coarse_levels(top: int) -> Float[ndarray, "256"]:
    """The activation that each 8-bit code stands for, 0 for code 0."""
    steps = _coarse_step(top) - 255 + np.arange(256)
    levels = np.exp2(steps / _COARSE + _SMALLEST).astype(np.float32)
    levels[0] = 0
    levels.flags.writeable = False
    return levels


def bins(codes: UInt8[ndarray, " n"]) -> UInt8[ndarray, " n"]:
    """The histogram bin of each 8-bit code."""
    return (codes - 1) // _CODES_PER_BIN


def bin_edges(top: int) -> Float[ndarray, " edge"]:
    """Activations between which each bin lies."""
    steps = _coarse_step(top) - 254 + _CODES_PER_BIN * np.arange(N_BINS + 1)
    return np.exp2((steps - 0.5) / _COARSE + _SMALLEST).astype(np.float32)


def smallest_unsigned(largest: int) -> type[np.unsignedinteger]:
    """The narrowest unsigned dtype that holds numbers up to `largest`."""
    return np.uint16 if largest < 2**16 else np.uint32 if largest < 2**32 else np.uint64


def save_tensors(path: Path, tensors: Mapping[str, ndarray]) -> None:
    """Write arrays as one safetensors file that appears complete or not at all."""
    with staged(path) as aside:
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, aside)


def map_tensors(path: Path, *names: str) -> dict[str, ndarray]:
    """The arrays of a safetensors file, read-only and memory-mapped: only what is looked at is read.

    Raises:
        BadArtefact: the file is missing, cut short, lies about its size, or lacks one of `names`.
    """
    header = read_header(path)
    missing = [name for name in names if name not in header]
    if missing:
        raise corrupt(path, f"it has no '{missing[0]}'")
    with path.open("rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        entries = json.loads(handle.read(length))
    # One map for the whole file: each map holds a file descriptor, of which a process may have a thousand.
    whole = np.memmap(path, np.uint8, "r").view(ndarray)
    tensors = {}
    for name, (dtype, shape) in header.items():
        if dtype not in _DTYPES:
            raise corrupt(path, f"'{name:.60}' has the dtype {dtype}")
        start, end = (8 + length + place for place in entries[name]["data_offsets"])
        tensors[name] = whole[start:end].view(_DTYPES[dtype]).reshape(shape)
    return tensors


def corrupt(path: Path, why: str) -> BadArtefact:
    """The refusal of a file of an index."""
    return BadArtefact(
        f"'{path}' is not a sound part of a feature index:", f"{why}.", "Build the index again, or fetch a fresh copy."
    )


def check_offsets(path: Path, offsets: ndarray, n_rows: int, n_items: int) -> None:
    """Nothing when `offsets` part `n_items` items into `n_rows` rows.

    Raises:
        BadArtefact: they do not.
    """
    if (
        offsets.shape != (n_rows + 1,)
        or int(offsets[0]) != 0
        or int(offsets[-1]) != n_items
        or np.any(offsets[1:] < offsets[:-1])
    ):
        raise corrupt(path, f"its offsets do not part {n_items} items into {n_rows} rows")


def check_within(path: Path, values: ndarray, limit: int, what: str) -> None:
    """Nothing when every value is one of the `limit` that there are.

    Raises:
        BadArtefact: one is not.
    """
    if values.size and int(values.max()) >= limit:
        raise corrupt(path, f"it names {what} {int(values.max())} of {limit}")


@dataclass(frozen=True, kw_only=True, slots=True)
class FileEntry:
    """One file of an index."""

    bytes: int
    """Its size."""
    sha256: str
    """Its hash."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenShard:
    """A run of windows whose tokens are one file, stored or to be made again from the corpus."""

    first: int
    """Number of its first window."""
    n_windows: int
    """How many windows it has."""
    sha256: str
    """Hash of its arrays, the same wherever they are made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What an index is made of; written last, so that an index that has one is whole."""

    schema: int
    """Version of the layout."""
    name: str
    """The index's own name."""
    model: str
    """Name of the model that read the text."""
    dictionary: str
    """Name of the dictionary."""
    dictionary_fingerprint: str
    """Hash of its weights."""
    site: str
    """The site that the dictionary reads."""
    n_features: int
    """How many features it has."""
    d_vocab: int
    """How many tokens the model knows."""
    corpus: str
    """Reference that opens the corpus."""
    corpus_fingerprint: str
    """Hash of its content."""
    context: int
    """Tokens in a window."""
    n_windows: int
    """Windows read."""
    n_counted: int
    """Tokens that statistics are over: all but special tokens and position 0."""
    top: int
    """Fine code of the largest activation; coarse codes count down from it."""
    posting: str
    """What is kept beside the cards: 'examples' nothing, 'capped:N' each feature's N strongest tokens, 'full' all."""
    tokens: str
    """'stored', or 'reference': made again from the corpus where the corpus is at hand."""
    sources: tuple[str, ...]
    """Parts of the corpus, in the order of the columns that count them."""
    source_tokens: tuple[int, ...]
    """Counted tokens of each."""
    token_shards: tuple[TokenShard, ...]
    """Runs of windows in order."""
    block: int
    """Features in a file of cards."""
    columns: tuple[int, ...]
    """First feature of each file of postings; empty where none are kept."""
    effects: str
    """How promoted tokens were ranked."""
    effects_chance: float
    """The effect that the strongest token of a random direction stays below, 95 times in 100."""
    files: dict[str, FileEntry]
    """Every file but this one."""
    provenance: dict[str, Any]
    """The command, versions and date."""

    @property
    def n_tokens(self) -> int:
        """Tokens read, special ones too."""
        return self.n_windows * self.context


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make an index whole."""
    write_json(folder / MANIFEST, to_dict(manifest))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a whole index, whose files are there and of the right sizes.

    Raises:
        BadArtefact: it is not whole, of another version, or a file differs.
    """
    path = folder / MANIFEST
    data = read_json(path)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise BadArtefact(
            f"'{path}' is no feature index of version {SCHEMA}.",
            f"Found version {found!r:.40}.",
            "Build the index again.",
        )
    try:
        manifest = from_dict(Manifest, data)
    except BadConfig as error:
        raise BadArtefact(
            f"'{path}' does not describe a feature index.", str(error), "Build the index again."
        ) from error
    _check_numbers(path, manifest)
    for name, entry in manifest.files.items():
        if not re.fullmatch(r"[a-z]+(/\d{5})?\.(safetensors|sqlite)", name):
            raise corrupt(path, f"it names the file {name!r:.60}")
        file = folder / name
        size = file.stat().st_size if file.is_file() else -1
        if size != entry.bytes:
            raise corrupt(file, f"it should have {entry.bytes} bytes and {'is missing' if size < 0 else f'has {size}'}")
    return manifest


def _check_numbers(path: Path, manifest: Manifest) -> None:
    numbers = (manifest.n_features, manifest.d_vocab, manifest.context, manifest.n_windows, manifest.block)
    if min(numbers) < 1 or not 0 <= manifest.top < 65536 or len(manifest.sources) != len(manifest.source_tokens):
        raise corrupt(path, "its numbers cannot be true")
    window = 0
    for shard in manifest.token_shards:
        if shard.first != window or shard.n_windows < 1:
            raise corrupt(path, f"its token shards leave a gap at window {window}")
        window += shard.n_windows
    if window != manifest.n_windows:
        raise corrupt(path, f"its token shards have {window} windows of {manifest.n_windows}")


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Size and hash of every file in a folder that is about to become an index."""
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST
    )
    return {name: FileEntry(bytes=(folder / name).stat().st_size, sha256=file_hash(folder / name)) for name in names}


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def array_hash(arrays: Mapping[str, ndarray]) -> str:
    """SHA-256 of arrays: names, dtypes, shapes and values, whatever file they are in."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.data)
    return digest.hexdigest()


def fingerprint(dictionary: Dictionary) -> str:
    """A hash of a dictionary's weights, whatever they are stored as."""
    weights = {name: weight.detach().to("cpu", torch.float32).numpy() for name, weight in dictionary.named_parameters()}
    return array_hash(weights)[:16]
