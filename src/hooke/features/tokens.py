"""The text of an index: token shards in the corpus's order, stored, or made again from the corpus.

A shard holds `tokens` [window, pos], `document` (-1 on special tokens), `counted`, and `source` (which part of the
corpus, 255 on special tokens). An index that ships without text knows only each shard's hash.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from hooke.configs import content_hash
from hooke.errors import BadArtefact, UnknownName
from hooke.features.store import Manifest, TokenShard, array_hash, corrupt, map_tensors, save_tensors
from hooke.features.vocabulary import token_ids
from hooke.lab import Lab, writing
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, windows

MAX_SOURCES = 32
NO_SOURCE = 255
OTHER = "other"
FIELDS = ("tokens", "document", "counted", "source")


def shard_path(folder: Path, number: int) -> Path:
    """Where a token shard lies."""
    return folder / "tokens" / f"{number:05d}.safetensors"


def text_folder(lab: Lab, shards: Sequence[TokenShard]) -> Path:
    """Where the lab keeps the text of indexes that have these windows but not their text."""
    name = content_hash([(shard.first, shard.n_windows, shard.sha256) for shard in shards])
    return lab.root / "features" / f".text-{name}"


class Sources:
    """Which part of a corpus each document belongs to, read along with its windows.

    Windows number only the documents that have a token, so those without one are passed over here as well. Sources
    after the first 31 are counted together as 'other'.
    """

    def __init__(self, corpus: Corpus, tokenizer: Any) -> None:
        self._documents = corpus.documents()
        self._tokenizer = tokenizer
        self._by_document: list[int] = []
        self.names: list[str] = []

    def of(self, document: Int[ndarray, "..."]) -> ndarray:
        """The number of the source of each document."""
        largest = int(document.max(initial=-1))
        while len(self._by_document) <= largest:
            item = next(self._documents)
            blank = not item.text.strip()
            if blank and not self._tokenizer(item.text, add_special_tokens=False)["input_ids"]:
                continue
            self._by_document.append(self._number(item.source))
        table = np.array([*self._by_document, NO_SOURCE], np.uint8)
        return table[document]

    def _number(self, source: str) -> int:
        name = source if source in self.names or len(self.names) < MAX_SOURCES - 1 else OTHER
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)


def shard_arrays(
    tokens: Int[ndarray, "window pos"],
    document: Int[ndarray, "window pos"],
    counted: Bool[ndarray, "window pos"],
    sources: Sources,
    d_vocab: int,
) -> dict[str, ndarray]:
    """What a token shard holds."""
    return {
        "tokens": token_ids(tokens, d_vocab),
        "document": document.astype(np.int32),
        "counted": counted,
        "source": sources.of(document),
    }


@dataclass(frozen=True)
class TokenReader:
    """Reads token shards by global position: window number x context + position in the window."""

    folder: Path
    shards: tuple[TokenShard, ...]
    context: int
    d_vocab: int
    _maps: dict[int, dict[str, ndarray]] = field(default_factory=dict)

    @property
    def n_tokens(self) -> int:
        """Tokens in all shards."""
        return sum(shard.n_windows for shard in self.shards) * self.context

    def take(self, name: str, positions: Int[ndarray, "*n"]) -> ndarray:
        """One field at some positions."""
        if len(self.shards) == 1:
            return self.shard(0)[name].reshape(-1)[positions]
        starts = np.array([shard.first for shard in self.shards]) * self.context
        where = np.searchsorted(starts, positions, "right") - 1
        taken = np.empty(positions.shape, self.shard(0)[name].dtype)
        for number in np.unique(where).tolist():
            inside = where == number
            taken[inside] = self.shard(number)[name].reshape(-1)[positions[inside] - starts[number]]
        return taken

    def window(self, name: str, number: int, start: int, stop: int) -> ndarray:
        """One field of a stretch of one window."""
        at = bisect_right(self.shards, number, key=lambda shard: shard.first) - 1
        return self.shard(at)[name][number - self.shards[at].first, start:stop]

    def each(self) -> Iterator[dict[str, ndarray]]:
        """The shards in order."""
        return (self.shard(number) for number in range(len(self.shards)))

    def shard(self, number: int) -> dict[str, ndarray]:
        """One shard, mapped.

        Raises:
            BadArtefact: its file is damaged.
        """
        if number not in self._maps:
            path = shard_path(self.folder, number)
            arrays = map_tensors(path, *FIELDS)
            shape = (self.shards[number].n_windows, self.context)
            if any(arrays[name].shape != shape for name in FIELDS):
                raise corrupt(path, f"it does not hold {shape[0]} windows of {shape[1]} tokens")
            if int(arrays["tokens"].max()) >= self.d_vocab:
                raise corrupt(path, f"it holds the token {int(arrays['tokens'].max())} of {self.d_vocab}")
            self._maps[number] = arrays
        return self._maps[number]


def materialise_tokens(manifest: Manifest, folder: Path, tokenizer: Any, corpus: Corpus) -> None:
    """Make the token shards of an index again from its corpus, into `folder`, each checked by its hash.

    Raises:
        UnknownName: the corpus is not the one that the index was built on.
        BadArtefact: the windows came out different: the tokenizer is another one.
        LabBusy: another process is making them.
    """
    if corpus.fingerprint != manifest.corpus_fingerprint:
        raise UnknownName(
            f"The text of the index '{manifest.name}' is not here.",
            f"It was built on '{manifest.corpus}' {manifest.corpus_fingerprint}, "
            f"this corpus is '{corpus.name}' {corpus.fingerprint}.",
            "Install the corpus's packages in the versions that this hooke names.",
        )
    with writing(folder):
        config = WindowConfig(context=manifest.context, batch=64)
        stream = windows(corpus, tokenizer, config, stop=manifest.n_windows)
        sources = Sources(corpus, tokenizer)
        rows = ((batch.tokens.numpy(), batch.document.numpy(), batch.counted.numpy()) for batch in stream)
        tracked = track(
            rows, "text of the examples", total=manifest.n_tokens, unit="tokens", size=lambda row: row[0].size
        )
        groups = _regrouped(tracked, [shard.n_windows for shard in manifest.token_shards])
        for number, shard in enumerate(manifest.token_shards):
            parts = next(groups, None)
            arrays = {} if parts is None else shard_arrays(*parts, sources, manifest.d_vocab)
            if array_hash(arrays) != shard.sha256:
                raise BadArtefact(
                    f"The text of the index '{manifest.name}' could not be made again.",
                    f"Its windows from {shard.first} on came out different.",
                    "Use the model's own tokenizer; examples are shown without their text until then.",
                )
            save_tensors(shard_path(folder, number), arrays)


def _regrouped(
    rows: Iterator[tuple[ndarray, ndarray, ndarray]], sizes: list[int]
) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    """Batches of windows as shards of these many windows."""
    held: list[tuple[ndarray, ndarray, ndarray]] = []
    n_held = 0
    for size in sizes:
        while n_held < size:
            row = next(rows, None)
            if row is None:
                return
            held.append(row)
            n_held += len(row[0])
        tokens, document, counted = (np.concatenate([row[part] for row in held]) for part in range(3))
        yield tokens[:size], document[:size], counted[:size]
        held, n_held = [(tokens[size:], document[size:], counted[size:])], n_held - size
