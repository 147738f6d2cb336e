"""What turns labels and queries into vectors, so that a search finds what means the same in other words.

Three encoders, in the order of preference; no one of them asks the network:

    static    word vectors from the optional package `wordllama`, which carries them in its wheel (16 MB)
    model     the index's own model: rows of its token embedding, averaged over the tokens of each word
    spelling  hashed letter trigrams: finds other forms of a word and misspellings, and knows nothing of meaning

All see a text as a bag of words, each weighted by how rare it is among the labels (inverse document frequency).
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from hooke.features.store import map_tensors
from hooke.features.vocabulary import Vocabulary

WIDTH = 256
"""Numbers in a vector."""

_STATIC_WEIGHTS = "weights/l2_supercat_256.safetensors"
_STATIC_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_GRAMS = 3
_LONGEST_PIECE = 16


@runtime_checkable
class Encoder(Protocol):
    """Texts to vectors of length 1 whose products say how alike the texts are."""

    name: str
    """Short name; part of the names of files."""
    about: str
    """One sentence for people: what it knows and what it does not."""

    def encode(self, texts: Sequence[str], weights: Mapping[str, float]) -> Float[ndarray, "text width"]:
        """A row for each text; zeros where it knows none of its words."""
        ...


def words_of(text: str) -> list[str]:
    """The words of a text, without case; numbers and one letter by itself are none."""
    return [word for word in re.findall(r"[^\W\d_]+", text.casefold()) if len(word) > 1 or ord(word) > 0x2E80]


class Spelling:
    """Letter trigrams, hashed with a sign into a fixed number of places."""

    name = "spelling"
    about = "by spelling only (hashed letter trigrams): other forms of a word are found, other words for it are not"

    def encode(self, texts: Sequence[str], weights: Mapping[str, float]) -> Float[ndarray, "text width"]:
        """A row for each text."""
        return _averaged(texts, weights, self.vectors)

    @staticmethod
    def vectors(words: Sequence[str]) -> Float[ndarray, "word width"]:
        """A row for each word."""
        found = np.zeros((len(words), WIDTH), np.float32)
        for place, word in enumerate(words):
            padded = f"<{word}>"
            for start in range(max(1, len(padded) - _GRAMS + 1)):
                code = zlib.crc32(padded[start : start + _GRAMS].encode())
                found[place, code % WIDTH] += 1.0 if code >> 31 else -1.0
        return found


class ModelWords:
    """Rows of a model's token embedding, centred and reduced, averaged over the tokens that spell a word."""

    name = "model"
    about = "by the model's own token embeddings, averaged: related words are mostly found, phrases are bags of words"

    def __init__(self, rows: Float[ndarray, "vocab width"], vocabulary: Vocabulary) -> None:
        self._rows = rows
        self._token = {piece: token for token, piece in reversed(list(enumerate(vocabulary.pieces))) if piece}

    def encode(self, texts: Sequence[str], weights: Mapping[str, float]) -> Float[ndarray, "text width"]:
        """A row for each text."""
        return _averaged(texts, weights, self.vectors)

    def vectors(self, words: Sequence[str]) -> Float[ndarray, "word width"]:
        """A row for each word."""
        found = np.zeros((len(words), self._rows.shape[1]), np.float32)
        for place, word in enumerate(words):
            tokens = self._spelled(word)
            found[place] = self._rows[tokens].astype(np.float32).mean(0) if tokens else 0
        return found

    def _spelled(self, word: str) -> list[int]:
        """The word's token after a space, as it is, or capitalised; else the longest pieces that spell it."""
        forms = (f" {word}", word, f" {word.capitalize()}", word.capitalize())
        whole = [self._token[form.encode()] for form in forms if form.encode() in self._token]
        if whole:
            return whole
        rest, tokens = f" {word}".encode(), []
        while rest:
            size = next((n for n in range(min(_LONGEST_PIECE, len(rest)), 0, -1) if rest[:n] in self._token), 0)
            if not size:
                return []
            tokens.append(self._token[rest[:size]])
            rest = rest[size:]
        return tokens


def reduced_embedding(embedding: Float[Tensor, "vocab d_model"]) -> Float[ndarray, "vocab width"]:
    """Embedding rows without their mean, in the directions of largest variance, as float16."""
    rows = embedding.detach().float().cpu()
    rows = functional.normalize(rows - rows.mean(0), dim=-1)
    _, directions = torch.linalg.eigh(rows.T @ rows)
    kept = rows @ directions.flip(-1)[:, :WIDTH]
    return functional.normalize(kept, dim=-1).numpy().astype(np.float16)


class Static:
    """Word vectors of the package wordllama: its files are read, none of its code is run."""

    name = "static"
    about = "by static word vectors (wordllama): other words for the same are found, word order is not seen"

    def __init__(self) -> None:
        self._tokenizer, self._rows = _static_files()

    def encode(self, texts: Sequence[str], weights: Mapping[str, float]) -> Float[ndarray, "text width"]:
        """A row for each text."""
        return _averaged(texts, weights, self.vectors)

    def vectors(self, words: Sequence[str]) -> Float[ndarray, "word width"]:
        """A row for each word."""
        found = np.zeros((len(words), self._rows.shape[1]), np.float32)
        for place, spelled in enumerate(self._tokenizer.encode_batch(list(words), add_special_tokens=False)):
            if spelled.ids:
                found[place] = self._rows[spelled.ids].astype(np.float32).mean(0)
        return found


@cache
def _static_files() -> tuple[Any, ndarray]:
    from tokenizers import Tokenizer

    folder = _static_folder()
    assert folder is not None
    tokenizer = Tokenizer.from_file(str(folder / _STATIC_TOKENIZER))
    tokenizer.no_padding()
    (rows,) = map_tensors(folder / _STATIC_WEIGHTS).values()
    return tokenizer, rows


def _static_folder() -> Path | None:
    spec = find_spec("wordllama")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    return next((folder for folder in folders if (folder / _STATIC_WEIGHTS).is_file()), None)


def has_static() -> bool:
    """Whether the package with static word vectors is installed."""
    return _static_folder() is not None


def _averaged(texts: Sequence[str], weights: Mapping[str, float], vectors: Any) -> Float[ndarray, "text width"]:
    """Weighted means of the unit vectors of each text's words."""
    bags = [words_of(text) for text in texts]
    words = list(dict.fromkeys(word for bag in bags for word in bag))
    if not words:
        return np.zeros((len(texts), vectors([]).shape[1]), np.float32)
    table = torch.from_numpy(_units(vectors(words)))
    place = {word: number for number, word in enumerate(words)}
    usual = max(weights.values(), default=1.0)
    flat = torch.tensor([place[word] for bag in bags for word in bag])
    each = torch.tensor([weights.get(word, usual) for bag in bags for word in bag], dtype=torch.float32)
    starts = torch.tensor([0, *np.cumsum([len(bag) for bag in bags]).tolist()][:-1])
    summed = functional.embedding_bag(flat, table, starts, per_sample_weights=each, mode="sum")
    return _units(summed.numpy())


def _units(rows: Float[ndarray, "n width"]) -> Float[ndarray, "n width"]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
