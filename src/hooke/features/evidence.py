"""What labels are made from and scored on: a text that a model read, with all that fires on it and what almost does.

    .evidence-HASH/spec.json                what it is of
    .evidence-HASH/shards/00000.json        a note that a shard is whole
    .evidence-HASH/tokens, rows, parts/     its text, its active features by token, and by feature (see `shards.py`)
    .evidence-HASH/misses/00000.safetensors per feature: the window in which it comes closest to firing and does not

A reading that was stopped goes on with the first shard that is missing. Where it is of the same text, model and
dictionary as an earlier one it is that one: labels of every kind are scored on the same examples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray
from torch import Tensor

from hooke.activations.harvest import ActivationBatch, stream
from hooke.configs import content_hash, to_dict
from hooke.dictionaries.dictionary import Dictionary
from hooke.errors import BadRequest
from hooke.features.shards import BuildFolder, Postings, ShardBuffer, ShardReader, read_notes
from hooke.features.store import TokenShard, fingerprint, map_tensors, save_tensors
from hooke.features.tokens import Sources, TokenReader
from hooke.lab import Lab, write_json, writing
from hooke.models.model import Model
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

SHARD_WINDOWS = 64
"""Windows between two points from which a reading can go on."""
N_MISSES = 48
"""Near misses that are kept of a feature, each in a window of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceSpec:
    """What decides the content of a reading."""

    model_fingerprint: str
    """Hash of the model's weights."""
    dictionary_fingerprint: str
    """Hash of the dictionary's weights."""
    corpus: str
    """Reference of the corpus."""
    corpus_fingerprint: str
    """Hash of its content."""
    n_tokens: int
    """Tokens asked for."""
    windows: WindowConfig
    """How the corpus is cut."""
    schema: int = 1
    """Version of the layout."""


class Evidence:
    """A text with what fires on it, feature by feature."""

    def __init__(self, folder: Path, spec: EvidenceSpec, n_features: int, d_vocab: int) -> None:
        self.spec, self.folder = spec, folder
        work = _work(folder)
        notes = read_notes(work)
        shards = tuple(TokenShard(first=note.first, n_windows=note.n_windows, sha256=note.sha256) for note in notes)
        self.text = TokenReader(folder, shards, spec.windows.context, d_vocab)
        self.shards = ShardReader(work, notes, n_features, self.text)
        self.sources = notes[-1].sources
        self.n_counted = sum(note.n_counted for note in notes)
        self._misses = [map_tensors(_misses_path(folder, number), "position", "gap") for number in range(len(notes))]
        self._starts = [note.first * spec.windows.context for note in notes]

    @property
    def n_features(self) -> int:
        """How many features there are."""
        return self.shards.n_features

    @property
    def context(self) -> int:
        """Tokens in a window."""
        return self.text.context

    @cached_property
    def counted(self) -> Int[ndarray, " place"]:
        """Positions that statistics are over, in order."""
        return np.flatnonzero(self.text.take("counted", np.arange(self.text.n_tokens)))

    def ranges(self) -> Iterator[Postings]:
        """The firings of all features, some features at a time."""
        for first, last in self.shards.ranges(2**21, 1024):
            yield self.shards.postings(first, last)

    def misses(self, feature: int) -> Int[ndarray, " miss"]:
        """Positions on which a feature comes closest to firing without firing, the closest first, one a window."""
        gaps = np.concatenate([misses["gap"][feature] for misses in self._misses])
        local = [misses["position"][feature].astype(np.int64) for misses in self._misses]
        places = np.concatenate([part + start for part, start in zip(local, self._starts, strict=True)])
        there = np.isfinite(gaps)
        return places[there][np.argsort(-gaps[there], kind="stable")][:N_MISSES]


def read_evidence(
    model: Model, dictionary: Dictionary, corpus: Corpus, *, n_tokens: int, windows: WindowConfig, lab: Lab
) -> Evidence:
    """The reading of `n_tokens` tokens of a corpus (fewer where it ends before), made now where it is not there.

    Raises:
        BadRequest: the corpus does not fill one window, or the dictionary reads several sites.
        ShapeMismatch: the dictionary or the tokenizer does not belong to the model.
        LabBusy: another process is at it.
    """
    if len(dictionary.reads) != 1:
        raise BadRequest(f"Dictionary '{dictionary.name}' reads {len(dictionary.reads)} sites.", "", "Give one of one.")
    spec = EvidenceSpec(
        model_fingerprint=model.fingerprint,
        dictionary_fingerprint=fingerprint(dictionary),
        corpus=corpus.name,
        corpus_fingerprint=corpus.fingerprint,
        n_tokens=n_tokens,
        windows=replace(windows, batch=1),
    )
    folder = lab.root / "features" / f".evidence-{content_hash(spec)}"
    with writing(folder):
        if not (folder / "whole").exists():
            write_json(folder / "spec.json", to_dict(spec))
            _read(model, dictionary, corpus, windows, n_tokens, folder)
            (folder / "whole").touch()
    return Evidence(folder, spec, dictionary.n_features, model.d_vocab)


def _work(folder: Path) -> BuildFolder:
    return BuildFolder(folder, keeps_text=False, keeps_rows=False)


def _misses_path(folder: Path, number: int) -> Path:
    return folder / "misses" / f"{number:05d}.safetensors"


def _read(
    model: Model, dictionary: Dictionary, corpus: Corpus, windows: WindowConfig, n_tokens: int, folder: Path
) -> None:
    work = _work(folder)
    notes = read_notes(work)
    context = windows.context
    first = notes[-1].first + notes[-1].n_windows if notes else 0
    n_missing = max(0, ceil(n_tokens / context) - first) * context
    batches = stream(model, corpus, dictionary.reads, windows=windows, n_tokens=n_missing, start=first)
    sources = Sources(corpus, model.tokenizer)
    shard = _Shard(dictionary, context, first, len(notes))
    for batch in track(batches, "read", total=n_missing, unit="tokens", size=lambda batch: len(batch.tokens)):
        shard.add(batch)
        if shard.n_windows >= SHARD_WINDOWS:
            shard.write(work, sources, model.d_vocab)
            shard = _Shard(dictionary, context, shard.first + shard.n_windows, shard.number + 1)
    if shard.n_windows:
        shard.write(work, sources, model.d_vocab)
    if not read_notes(work):
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill one window of {context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )


class _Shard:
    """A shard in the making, with the misses of its windows."""

    def __init__(self, dictionary: Dictionary, context: int, first: int, number: int) -> None:
        self._dictionary, self._context = dictionary, context
        self.first, self.number = first, number
        self._buffer = ShardBuffer(dictionary.n_features, context, first)
        self._positions: list[Tensor] = []
        self._gaps: list[Tensor] = []

    @property
    def n_windows(self) -> int:
        """Windows that are in it."""
        return self._buffer.n_tokens // self._context

    def add(self, batch: ActivationBatch) -> None:
        """Take in some windows."""
        before, x = self._buffer.n_tokens, batch.sites[self._dictionary.reads[0]].to(self._dictionary.device)
        acts = self._dictionary.encode(x)
        self._buffer.add(batch, acts)
        pieces = (x, acts.values, acts.indices, batch.counted.to(x.device))
        windows = zip(*(piece.split(self._context) for piece in pieces), strict=True)
        for place, (window, values, indices, counted) in enumerate(windows):
            margins = self._dictionary.margins(window).float()
            silent = torch.zeros_like(margins).scatter_add(1, indices, values.float()) <= 0
            gap, position = torch.where(silent & counted[:, None], margins, -torch.inf).max(dim=0)
            self._gaps.append(gap.cpu())
            self._positions.append(position.cpu() + before + place * self._context)

    def write(self, work: BuildFolder, sources: Sources, d_vocab: int) -> None:
        """Write the misses, and then the rest with the note."""
        gaps, positions = torch.stack(self._gaps, 1), torch.stack(self._positions, 1)
        kept = gaps.topk(min(N_MISSES, gaps.shape[1]), dim=1)
        arrays = {
            "gap": kept.values.half().numpy(),
            "position": positions.gather(1, kept.indices).numpy().astype(np.uint32),
        }
        save_tensors(_misses_path(work.root, self.number), arrays)
        self._buffer.write(work, self.number, sources, d_vocab)
