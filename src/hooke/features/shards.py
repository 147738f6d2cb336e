"""The first half of an index: one pass over the text, written as shards that are each in token order and feature order.

A shard is three files and a note that says that they are whole: `tokens/` (see `tokens.py`), `rows/` (per token: its
active features), `parts/` (per feature: the tokens on which it is active). Nothing that is held grows with the corpus.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt
from numpy import ndarray
from torch import Tensor

from hooke.activations.harvest import ActivationBatch
from hooke.configs import from_dict, to_dict
from hooke.dictionaries.sparse import SparseActs
from hooke.features.store import array_hash, fine_codes, map_tensors, save_tensors, smallest_unsigned
from hooke.features.tokens import Sources, TokenReader, shard_arrays, shard_path
from hooke.lab import read_json, write_json

NOTES, PARTS, ROWS = "shards", "parts", "rows"
SHARD_TOKENS = 2**18
SHARD_ENTRIES = 2**24


@dataclass(frozen=True, slots=True)
class BuildFolder:
    """Where a build keeps what: the index itself in `index/`, and beside it what only the build needs."""

    root: Path
    keeps_text: bool
    """Whether the token shards are part of the index."""
    keeps_rows: bool
    """Whether the active features of every token are part of the index."""

    @property
    def index(self) -> Path:
        """What becomes the index."""
        return self.root / "index"

    @property
    def text(self) -> Path:
        """Folder of `tokens/`."""
        return self.index if self.keeps_text else self.root

    def rows(self, number: int) -> Path:
        """A shard in token order."""
        return (self.index if self.keeps_rows else self.root) / ROWS / f"{number:05d}.safetensors"

    def part(self, number: int) -> Path:
        """A shard in feature order."""
        return self.root / PARTS / f"{number:05d}.safetensors"

    def note(self, number: int) -> Path:
        """The note that a shard is whole."""
        return self.root / NOTES / f"{number:05d}.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardNote:
    """What a finished shard holds."""

    first: int
    """Number of its first window."""
    n_windows: int
    """How many windows it has."""
    n_counted: int
    """Tokens that statistics are over."""
    top: int
    """Fine code of its largest activation, 0 where nothing is active."""
    sha256: str
    """Hash of its token arrays."""
    sources: tuple[str, ...]
    """Sources of the corpus met so far."""
    source_tokens: tuple[int, ...]
    """Counted tokens of each in this shard."""


@dataclass
class ShardBuffer:
    """Gathers the tokens and active features of consecutive windows until they are enough for a shard."""

    n_features: int
    context: int
    first: int = 0
    tokens: list[ndarray] = field(default_factory=list)
    document: list[ndarray] = field(default_factory=list)
    counted: list[ndarray] = field(default_factory=list)
    counts: list[ndarray] = field(default_factory=list)
    features: list[ndarray] = field(default_factory=list)
    values: list[ndarray] = field(default_factory=list)
    n_tokens: int = 0
    n_entries: int = 0

    @property
    def is_full(self) -> bool:
        """Whether a shard should be written."""
        return self.n_tokens >= SHARD_TOKENS or self.n_entries >= SHARD_ENTRIES

    def add(self, batch: ActivationBatch, acts: SparseActs) -> None:
        """Take in whole windows and what is active on them; tokens that do not count have nothing active."""
        counted = batch.counted.to(acts.values.device)
        counts, features, values = active_entries(acts.values, acts.indices, counted)
        self.tokens.append(_numpy(batch.tokens))
        self.document.append(_numpy(batch.document))
        self.counted.append(_numpy(batch.counted))
        self.counts.append(_numpy(counts))
        self.features.append(_numpy(features).astype(smallest_unsigned(self.n_features - 1)))
        self.values.append(_numpy(values))
        self.n_tokens += len(batch.tokens)
        self.n_entries += len(values)

    def write(self, folder: BuildFolder, number: int, sources: Sources, d_vocab: int) -> None:
        """Write the shard; the note comes last, and without it the shard does not exist."""
        shape = (-1, self.context)
        tokens, document, counted = (
            np.concatenate(part).reshape(shape) for part in (self.tokens, self.document, self.counted)
        )
        text = shard_arrays(tokens, document, counted, sources, d_vocab)
        rows, part = orders(
            np.concatenate(self.counts), np.concatenate(self.features), np.concatenate(self.values), self.n_features
        )
        save_tensors(shard_path(folder.text, number), text)
        save_tensors(folder.rows(number), rows)
        save_tensors(folder.part(number), part)
        note = ShardNote(
            first=self.first,
            n_windows=len(tokens),
            n_counted=int(counted.sum()),
            top=int(rows["codes"].max(initial=0)),
            sha256=array_hash(text),
            sources=tuple(sources.names),
            source_tokens=tuple(np.bincount(text["source"][counted], minlength=len(sources.names)).tolist()),
        )
        write_json(folder.note(number), to_dict(note))


def active_entries(
    values: Float[Tensor, "token active"], indices: Int[Tensor, "token active"], counted: Bool[Tensor, " token"]
) -> tuple[Int[Tensor, " token"], Int[Tensor, " entry"], Float[Tensor, " entry"]]:
    """How many features are active on each token, which, and how much."""
    active = (values > 0) & counted[:, None]
    return active.sum(-1), indices[active], values[active].float()


def _numpy(tensor: Tensor) -> ndarray:
    return tensor.cpu().numpy()


def orders(
    counts: Int[ndarray, " token"], features: UInt[ndarray, " entry"], values: Float[ndarray, " entry"], n_features: int
) -> tuple[dict[str, ndarray], dict[str, ndarray]]:
    """The entries of a shard in token order, and in feature order with exact sums and maxima."""
    codes = fine_codes(values)
    rows = {"offsets": np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32), "features": features, "codes": codes}
    order = stable_order(features)
    token = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    n_active = np.bincount(features, minlength=n_features)
    offsets = np.concatenate([[0], np.cumsum(n_active)])
    largest = np.zeros(n_features, np.float32)
    present = np.flatnonzero(n_active)
    if len(present):
        largest[present] = np.maximum.reduceat(values[order], offsets[present])
    part = {
        "offsets": offsets.astype(np.uint32),
        "positions": token[order],
        "codes": codes[order],
        "sum": np.bincount(features, weights=values, minlength=n_features),
        "max": largest,
    }
    return rows, part


def stable_order(keys: UInt[ndarray, " n"]) -> Int[ndarray, " n"]:
    """The order that sorts unsigned integers and keeps equals as they are: a radix sort, 16 bits at a time."""
    if keys.dtype == np.uint16:
        return np.argsort(keys, kind="stable")
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    return order[np.argsort((keys >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]


def read_notes(folder: BuildFolder) -> list[ShardNote]:
    """The notes of the finished shards in order.

    Raises:
        BadArtefact: one is damaged.
    """
    notes = []
    while (path := folder.note(len(notes))).exists():
        notes.append(from_dict(ShardNote, read_json(path)))
    return notes


@dataclass(frozen=True)
class Postings:
    """The tokens on which each of a range of features is active, feature by feature, in the corpus's order."""

    first: int
    """The first feature of the range."""
    offsets: Int[ndarray, " range_plus_one"]
    """Where each feature's entries begin."""
    positions: Int[ndarray, " entry"]
    """Window number x context + position in the window."""
    codes: UInt[ndarray, " entry"]
    """Fine codes of the activations."""
    source: UInt[ndarray, " entry"]
    """The part of the corpus that each entry is in."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, place: int) -> slice:
        """The entries of the feature at this place of the range."""
        return slice(int(self.offsets[place]), int(self.offsets[place + 1]))

    @property
    def places(self) -> Int[ndarray, " entry"]:
        """The place of each entry's feature in the range."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


class ShardReader:
    """Reads finished shards: feature ranges over all of them, and the active features of single tokens."""

    def __init__(self, folder: BuildFolder, notes: list[ShardNote], n_features: int, text: TokenReader) -> None:
        self.n_features, self.text = n_features, text
        self._parts = [map_tensors(folder.part(number)) for number in range(len(notes))]
        self._rows = [map_tensors(folder.rows(number)) for number in range(len(notes))]
        self._starts = np.array([note.first for note in notes], np.int64) * text.context
        self.n_active = sum(
            (np.diff(part["offsets"].astype(np.int64)) for part in self._parts), np.zeros(n_features, np.int64)
        )
        self.sum: ndarray = sum((part["sum"] for part in self._parts), np.zeros(n_features))
        self.max: ndarray = np.zeros(n_features, np.float32)
        for part in self._parts:
            self.max = np.maximum(self.max, part["max"])

    def ranges(self, n_entries: int, n_features: int) -> Iterator[tuple[int, int]]:
        """Ranges of features, each of at most so many entries (or one feature) and so many features."""
        total = np.concatenate([[0], np.cumsum(self.n_active)])
        first = 0
        while first < self.n_features:
            last = int(np.searchsorted(total, total[first] + n_entries, "right")) - 1
            last = min(max(last, first + 1), first + n_features, self.n_features)
            yield first, last
            first = last

    def postings(self, first: int, last: int) -> Postings:
        """The entries of the features from `first` up to, not including, `last`, each shard's slice in its place."""
        counts = np.stack([np.diff(part["offsets"][first : last + 1].astype(np.int64)) for part in self._parts])
        offsets = np.concatenate([[0], np.cumsum(counts.sum(0))])
        begins = offsets[:-1] + np.cumsum(counts, axis=0) - counts
        positions = np.empty(offsets[-1], np.int64)
        codes = np.empty(offsets[-1], np.uint16)
        source = np.empty(offsets[-1], np.uint8)
        for number, (part, start, count, begin) in enumerate(
            zip(self._parts, self._starts, counts, begins, strict=True)
        ):
            here = slice(int(part["offsets"][first]), int(part["offsets"][last]))
            places = np.arange(count.sum()) + np.repeat(begin - (np.cumsum(count) - count), count)
            local = part["positions"][here].astype(np.int64)
            positions[places] = local + start
            codes[places] = part["codes"][here]
            source[places] = self.text.shard(number)["source"].reshape(-1)[local]
        return Postings(first, offsets, positions, codes, source)

    def rows(self, positions: Int[ndarray, " n"]) -> tuple[Int[ndarray, " n"], Int[ndarray, " entry"]]:
        """How many features are active at each position, and which, position after position."""
        where = np.searchsorted(self._starts, positions, "right") - 1
        counts = np.empty(len(positions), np.int64)
        begins = np.empty(len(positions), np.int64)
        for number in np.unique(where).tolist():
            inside = where == number
            offsets = self._rows[number]["offsets"]
            local = positions[inside] - self._starts[number]
            begins[inside] = offsets[local]
            counts[inside] = offsets[local + 1].astype(np.int64) - offsets[local]
        features = np.empty(counts.sum(), np.int64)
        owner = np.repeat(np.arange(len(positions)), counts)
        entry = np.arange(len(features)) - np.repeat(np.cumsum(counts) - counts, counts) + begins[owner]
        shard = where[owner]
        for number in np.unique(where).tolist():
            inside = shard == number
            features[inside] = self._rows[number]["features"][entry[inside]]
        return counts, features
