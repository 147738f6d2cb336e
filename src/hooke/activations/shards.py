"""Activations on disk: a manifest, immutable safetensors shards of whole windows, and a closing account.

    NAME/manifest.json             what was asked for (StoreSpec) and how it came to be
    NAME/shard-00000.safetensors   windows [0, W): tokens, window, position, document, counted [n], sites [n, width]
    NAME/complete.json             totals, and size and hash of each shard

Shard k always holds the windows [k*W, (k+1)*W), fewer only at the end, so that a harvest can go on after any kill.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hooke.configs import from_dict
from hooke.errors import BadArtefact, BadConfig
from hooke.lab import read_json, staged
from hooke.tensor_files import read_header
from hooke.text.windows import WindowConfig

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_CODES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int32: "I32",
    torch.bool: "BOOL",
}
INTEGERS = ("tokens", "window", "position", "document")
_SHARD_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSpec:
    """What a store of activations holds; two harvests with equal specs give the same bytes."""

    model: str
    """Name of the model."""
    model_fingerprint: str
    """Identifies its weights."""
    corpus: str
    """Reference of the corpus."""
    corpus_fingerprint: str
    """Identifies its content."""
    sites: dict[str, int]
    """Width of each site."""
    dtype: str
    """Number format on disk: float32, bfloat16 or float16."""
    windows: WindowConfig
    """How the corpus was cut."""
    n_tokens: int
    """Tokens asked for; whole windows are stored, so up to one window more."""
    format: int = 1
    """Version of this layout."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES or self.n_tokens < 1 or not self.sites:
            raise BadConfig(
                "Activations need a known dtype, at least one token and at least one site.",
                f"Found dtype '{self.dtype}', {self.n_tokens} tokens, {len(self.sites)} sites.",
                f"Dtypes: {', '.join(DTYPES)}.",
            )

    @property
    def n_windows(self) -> int:
        """Windows that hold the tokens asked for."""
        return ceil(self.n_tokens / self.windows.context)

    @property
    def bytes_per_token(self) -> int:
        """Bytes on disk of one token, its number, place and mask included."""
        return DTYPES[self.dtype].itemsize * sum(self.sites.values()) + 4 * len(INTEGERS) + 1

    @property
    def windows_per_shard(self) -> int:
        """W: whole batches, about 64 MB."""
        per_batch = self.bytes_per_token * self.windows.context * self.windows.batch
        return self.windows.batch * max(1, _SHARD_BYTES // per_batch)

    @property
    def n_shards(self) -> int:
        """Shards of a store that got all its windows."""
        return ceil(self.n_windows / self.windows_per_shard)

    @property
    def n_bytes(self) -> int:
        """Bytes on disk of a store that got all its windows."""
        return self.n_windows * self.windows.context * self.bytes_per_token + 10_000 * self.n_shards


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardEntry:
    """What the closing account says of one shard."""

    n_tokens: int
    """Tokens in it."""
    n_counted: int
    """Tokens that statistics may use."""
    n_clamped: int
    """Token-site pairs, none of them counted, where a value was beyond the storage dtype and was set to its largest."""
    size: int
    """Bytes of the file."""
    sha256: str
    """Hash of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """Activations of consecutive windows on their way to disk, as a list of pieces for each tensor."""

    n_tokens: int
    """Tokens in it."""
    n_counted: int
    """Tokens that statistics may use."""
    n_clamped: int
    """Places whose values were clamped (see ShardEntry)."""
    pieces: dict[str, list[Tensor]]
    """On the CPU and contiguous, in the order in which they stand in the file."""


def read_spec(folder: Path) -> StoreSpec:
    """What the store in a folder holds, from its manifest.

    Raises:
        BadArtefact: there is no manifest, or it is not JSON.
        BadConfig: the manifest says something else than a store's does.
    """
    manifest = read_json(folder / "manifest.json")
    return from_dict(StoreSpec, manifest.get("spec", {}) if isinstance(manifest, dict) else {})


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.safetensors"


def write_shard(path: Path, shard: Shard) -> ShardEntry:
    """Writes a shard aside, hashes it on the way and renames it into place.

    The safetensors layout is written directly, so that the pieces need no copy in memory.

    Raises:
        OutOfSpace: the disk filled up; nothing is left behind.
    """
    counts = {"n_tokens": shard.n_tokens, "n_counted": shard.n_counted, "n_clamped": shard.n_clamped}
    header = _header(shard.pieces, {name: str(count) for name, count in counts.items()})
    digest = hashlib.sha256(header)
    with staged(path) as aside, aside.open("wb") as handle:
        handle.write(header)
        for piece in (piece for pieces in shard.pieces.values() for piece in pieces):
            data = piece.view(torch.uint8).numpy().data
            digest.update(data)
            handle.write(data)
        handle.flush()
        size = handle.tell()
    return ShardEntry(**counts, size=size, sha256=digest.hexdigest())


def _header(tensors: dict[str, list[Tensor]], metadata: dict[str, str]) -> bytes:
    entries: dict[str, object] = {"__metadata__": metadata}
    begin = 0
    for name, pieces in tensors.items():
        end = begin + sum(piece.nbytes for piece in pieces)
        shape = [sum(len(piece) for piece in pieces), *pieces[0].shape[1:]]
        entries[name] = {"dtype": _CODES[pieces[0].dtype], "shape": shape, "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_entry(path: Path, spec: StoreSpec) -> ShardEntry:
    """The account of a shard that is already on disk, its bytes hashed again.

    Raises:
        BadArtefact: the file is not a whole shard of this store.
    """
    n_tokens = check_shard(path, spec)
    with _opened(path) as file:
        metadata = file.metadata() or {}
    try:
        counts = {name: int(metadata[name]) for name in ("n_counted", "n_clamped")}
    except (KeyError, ValueError) as error:
        raise BadArtefact(f"'{path}' has no counts in its header.", f"{error}.", "Harvest it again.") from error
    return ShardEntry(n_tokens=n_tokens, **counts, size=path.stat().st_size, sha256=file_hash(path))


def check_shard(path: Path, spec: StoreSpec) -> int:
    """The number of tokens in a shard whose header fits the store and the file's size.

    Raises:
        BadArtefact: it is missing, cut short, or holds other tensors than the store's.
    """
    header = read_header(path)
    n_tokens = header["tokens"][1][0] if "tokens" in header and len(header["tokens"][1]) == 1 else -1
    expected = dict.fromkeys(INTEGERS, ("I32", (n_tokens,)))
    expected |= {site: (_CODES[DTYPES[spec.dtype]], (n_tokens, width)) for site, width in spec.sites.items()}
    expected |= {"counted": ("BOOL", (n_tokens,))}
    most = spec.windows_per_shard * spec.windows.context
    if header != expected or not 0 < n_tokens <= most or n_tokens % spec.windows.context:
        wrong = sorted(name for name in {*header, *expected} if header.get(name) != expected.get(name))
        raise BadArtefact(
            f"'{path}' is not a shard of its store.",
            f"It differs in {', '.join(wrong) or 'its number of tokens'}.",
            "Harvest it again.",
        )
    return n_tokens


def map_shard(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Tensors of a shard, memory-mapped: only the rows that are used are read.

    Raises:
        BadArtefact: the file is not sound.
    """
    with _opened(path) as file:
        try:
            return {name: file.get_tensor(name) for name in names}
        except SafetensorError as error:
            raise BadArtefact(f"'{path}' could not be read.", f"{error}.", "Harvest it again.") from error


def _opened(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise BadArtefact(f"'{path}' could not be read.", f"{error}.", "Harvest it again.") from error


def finished_shards(folder: Path, spec: StoreSpec) -> Iterator[ShardEntry]:
    """Accounts of the whole shards from number 0 on, up to the first that is missing or not sound."""
    for number in range(spec.n_shards):
        path = folder / shard_name(number)
        if not path.exists():
            return
        try:
            entry = read_entry(path, spec)
        except BadArtefact:
            return
        yield entry
        if entry.n_tokens < spec.windows_per_shard * spec.windows.context:
            return


def file_hash(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        BadArtefact: it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BadArtefact(f"'{path}' could not be read.", f"{error}.", "Harvest it again.") from error
