"""Corpora as fixed-length windows of tokens: documents packed back to back with a boundary token between them.

The boundary is `<|endoftext|>` or `<|end_of_text|>` where the vocabulary has one, because that is what parted
documents in pre-training: chat-tuned tokenizers rename EOS to the end of a turn (`<|im_end|>`, `<|eot_id|>`), a
token that says something else. Otherwise it is EOS, then BOS; a tokenizer with none of them packs without one.
A tokenizer that starts every text with BOS gets it at position 0 of every window.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from hooke.errors import BadConfig, ShapeMismatch
from hooke.text.documents import Corpus, Document

_BOUNDARIES = ("<|endoftext|>", "<|end_of_text|>")
_CHARACTERS_AT_ONCE = 500_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """How a corpus is cut into windows."""

    context: int = 256
    """Tokens in a window."""
    batch: int = 8
    """Windows that run through the model together."""

    def __post_init__(self) -> None:
        if self.context < 2 or self.batch < 1:
            raise BadConfig(
                "Windows need a context of at least 2 tokens and a batch of at least 1.",
                f"Found context {self.context} and batch {self.batch}.",
                "Choose larger numbers.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """A batch of consecutive windows."""

    tokens: Int[Tensor, "batch pos"]
    """Token ids, int64."""
    document: Int[Tensor, "batch pos"]
    """Running number of the document that each token came from, -1 for special tokens."""
    counted: Bool[Tensor, "batch pos"]
    """False on special tokens and on position 0, which are masked from every statistic."""
    first: int
    """Number of the first window in the corpus's stream."""


@dataclass(kw_only=True, slots=True)
class WindowReport:
    """What the windows are made of, from window 0 (also where reading started later) to the last one given."""

    n_windows: int = 0
    """Full windows."""
    n_tokens: int = 0
    """Tokens in them, special ones too."""
    n_documents: int = 0
    """Documents that have a token in them."""
    n_boundaries: int = 0
    """Boundary tokens between documents."""
    n_special: int = 0
    """All special tokens: boundaries, BOS, and those that the text itself contains."""
    n_dropped: int = 0
    """Tokens at the corpus's end that did not fill a window."""
    by_source: dict[str, int] = field(default_factory=dict)
    """Text tokens of each source."""


def windows(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    config: WindowConfig,
    *,
    start: int = 0,
    stop: int | None = None,
    report: WindowReport | None = None,
) -> Iterator[Windows]:
    """The corpus's windows from number `start` up to, not including, `stop`, in batches of `config.batch`.

    The stream depends only on corpus, tokenizer and context: any start gives the same windows (those before it are
    tokenised and skipped). `report`, when given, is kept up to date while the windows are read.
    """
    report = WindowReport() if report is None else report
    packer = _Packer(tokenizer, config.context, report)
    batch: list[_Window] = []
    number = 0
    for window in islice(packer.pack(corpus.documents()), stop):
        report.n_windows += 1
        report.n_tokens += config.context
        if number >= start:
            batch.append(window)
        number += 1
        if len(batch) == config.batch:
            yield _as_tensors(batch, number - len(batch), packer.special)
            batch = []
    if batch:
        yield _as_tensors(batch, number - len(batch), packer.special)


def boundary_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The id that parts documents (the rule stands at the top of this module)."""
    added = {token.content: id for id, token in tokenizer.added_tokens_decoder.items()}
    choices: list[Any] = [*map(added.get, _BOUNDARIES), tokenizer.eos_token_id, tokenizer.bos_token_id]
    return next((int(choice) for choice in choices if choice is not None), None)


def leading_bos(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The id that this tokenizer puts before every text by itself, None where it puts none."""
    ids = tokenizer("a")["input_ids"]
    return ids[0] if tokenizer.bos_token_id is not None and ids and ids[0] == tokenizer.bos_token_id else None


def check_vocabulary(tokens: Int[Tensor, "batch pos"], d_vocab: int) -> None:
    """Nothing when the model has an embedding for every token.

    Raises:
        ShapeMismatch: an id lies outside the model's vocabulary.
    """
    largest = int(tokens.max())
    if largest >= d_vocab:
        raise ShapeMismatch(
            "The tokenizer does not belong to this model.",
            f"It gave the token {largest}; the model knows the tokens 0-{d_vocab - 1}.",
            "Load the model together with its own tokenizer.",
        )


@dataclass(frozen=True, slots=True)
class _Window:
    tokens: np.ndarray
    document: np.ndarray


class _Packer:
    """Cuts a stream of documents into windows and counts what goes into them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, context: int, report: WindowReport) -> None:
        self._tokenizer, self._report = tokenizer, report
        self._boundary, self._bos = boundary_token(tokenizer), leading_bos(tokenizer)
        self._body = context - (self._bos is not None)
        self._sources: list[str] = []
        added = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        inserted = {id for id in (self._boundary, self._bos) if id is not None}
        self.special = np.array(sorted(added | inserted | set(tokenizer.all_special_ids)), dtype=np.int64)

    def pack(self, documents: Iterable[Document]) -> Iterator[_Window]:
        """Every full window, in order."""
        left = np.empty((3, 0), np.int64)
        for rows in self._encoded(documents):
            stream = np.concatenate([left, rows], axis=1)
            n_full = stream.shape[1] // self._body
            for part in range(n_full):
                yield self._window(stream[:, part * self._body : (part + 1) * self._body])
            left = stream[:, n_full * self._body :]
        self._report.n_dropped = left.shape[1]

    def _encoded(self, documents: Iterable[Document]) -> Iterator[np.ndarray]:
        """Rows (token, document, source) of some documents at a time; document and source are -1 on boundaries."""
        number = 0
        numbers: dict[str, int] = {}
        for group in _grouped(documents):
            texts = [text for document in group for text in _pieces(document.text)]
            encoded = iter(self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"])
            parts: list[np.ndarray] = []
            for document in group:
                tokens = [token for _ in _pieces(document.text) for token in next(encoded)]
                if not tokens:
                    continue
                source = numbers.setdefault(document.source, len(numbers))
                row = np.empty((3, len(tokens) + (self._boundary is not None)), np.int64)
                row[0, : len(tokens)], row[1], row[2] = tokens, number, source
                if self._boundary is not None:
                    row[:, -1] = self._boundary, -1, -1
                parts.append(row)
                number += 1
            self._sources = list(numbers)
            if parts:
                yield np.concatenate(parts, axis=1)

    def _window(self, rows: np.ndarray) -> _Window:
        tokens, document, source = rows
        special = np.isin(tokens, self.special)
        report = self._report
        report.n_documents = max(report.n_documents, int(document.max()) + 1)
        report.n_boundaries += int((source < 0).sum())
        report.n_special += int(special.sum()) + (self._bos is not None)
        for index, n_tokens in enumerate(np.bincount(source[~special], minlength=len(self._sources)).tolist()):
            if n_tokens:
                name = self._sources[index]
                report.by_source[name] = report.by_source.get(name, 0) + n_tokens
        document = np.where(special, -1, document)
        if self._bos is not None:
            tokens, document = np.append(self._bos, tokens), np.append(-1, document)
        return _Window(tokens, document)


def _grouped(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Some documents at a time: enough for the tokenizer to use all cores, few enough to keep memory flat."""
    group: list[Document] = []
    n_characters = 0
    for document in documents:
        group.append(document)
        n_characters += len(document.text)
        if n_characters >= _CHARACTERS_AT_ONCE:
            yield group
            group, n_characters = [], 0
    if group:
        yield group


def _pieces(text: str) -> list[str]:
    """The text in pieces that the tokenizer can take, parted at a space where there is one."""
    pieces = []
    while len(text) > _CHARACTERS_AT_ONCE:
        cut = text.rfind(" ", 1, _CHARACTERS_AT_ONCE)
        cut = cut if cut > 0 else _CHARACTERS_AT_ONCE
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _as_tensors(batch: list[_Window], first: int, special: np.ndarray) -> Windows:
    tokens = np.stack([window.tokens for window in batch])
    counted = ~np.isin(tokens, special)
    counted[:, 0] = False
    return Windows(
        tokens=torch.from_numpy(tokens),
        document=torch.from_numpy(np.stack([window.document for window in batch])),
        counted=torch.from_numpy(counted),
        first=first,
    )
