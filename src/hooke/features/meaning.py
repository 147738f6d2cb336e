"""Search of labels by meaning: 8-bit vectors of labels, in cells when there are many.

Above 65,536 labels vectors lie sorted by the nearest of 1,024 centres (an inverted file); a query looks into the 32
cells whose centres are nearest, exactly inside them. Below, it looks at all of them.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from hooke.features.aids import AT_ONCE, aid, has_aid
from hooke.features.encoders import Encoder, ModelWords, Spelling, Static, has_static, reduced_embedding, words_of
from hooke.features.grouping import centres_of, nearest_centre
from hooke.features.query import Index
from hooke.models.model import Model

VERSION = 1
EMBEDDING = "embedding-1"
N_CENTRES, N_PROBES = 1024, 32
LEAST_FOR_CELLS = 65_536
N_FOUND = 1000
"""Features that a query finds."""
N_WORDS = 8
"""Words of a label's examples that are read beside its text."""

_AT_ONCE = 65_536
_SAMPLE = 65_536


def encoder_of(index: Index) -> Encoder:
    """The best encoder that is at hand for an index without loading a model."""
    if has_static():
        return Static()
    if has_aid(index, EMBEDDING):
        return ModelWords(aid(index, EMBEDDING, dict, "rows")["rows"], index.vocabulary)
    return Spelling()


def needs_embedding(index: Index) -> bool:
    """Whether the model's words would make search by meaning better; a large index is prepared beforehand."""
    return not has_static() and not has_aid(index, EMBEDDING) and len(index) <= AT_ONCE


def keep_embedding(index: Index, model: Model) -> None:
    """Keep what the index's model knows of words, so that search by meaning needs no model afterwards."""
    weight: Any = model.anatomy.embedding.weight
    aid(index, EMBEDDING, lambda: {"rows": reduced_embedding(weight)}, "rows")


@dataclass(frozen=True)
class Vectors:
    """The labels of an index as vectors."""

    encoder: Encoder
    weights: Mapping[str, float]
    """How much each word counts."""
    codes: Integer[ndarray, "label width"]
    lengths: Float[ndarray, " label"]
    """Length of each row of codes."""
    features: Integer[ndarray, " label"]
    centres: Float[ndarray, "cell width"]
    starts: Integer[ndarray, " cell_plus_one"]

    @staticmethod
    def of(index: Index, encoder: Encoder | None = None, *, wait: bool = False) -> "Vectors":
        """The vectors of an index.

        Raises:
            BadRequest: the index is large and they were not made before.
        """
        encoder = encoder or encoder_of(index)
        key = f"Vectors-{encoder.name}"
        if key not in index.aids:
            name = f"meaning-{encoder.name}-{VERSION}"
            arrays = aid(index, name, lambda: vector_arrays(index, encoder), "codes", "words", wait=wait)
            index.aids[key] = Vectors.read(arrays, encoder)
        return index.aids[key]

    @staticmethod
    def read(arrays: Mapping[str, ndarray], encoder: Encoder) -> "Vectors":
        """The vectors in an aid."""
        words = arrays["words"].tobytes().decode().split("\n")
        weights = dict(zip(words, arrays["weights"].tolist(), strict=True))
        names = ("codes", "lengths", "features", "centres", "starts")
        return Vectors(encoder, weights, *(arrays[name] for name in names))

    def nearest(self, query: str) -> tuple[Integer[ndarray, " found"], Float[ndarray, " found"]]:
        """The features whose labels are nearest to a query, best first, and the cosines; none if it knows no word."""
        row = self.encoder.encode([query], self.weights)[0]
        if not row.any():
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        cells = np.argsort(-(self.centres @ row), kind="stable")[:N_PROBES] if len(self.centres) else np.zeros(1, int)
        spans = [(int(self.starts[cell]), int(self.starts[cell + 1])) for cell in np.sort(cells).tolist()]
        places = np.concatenate([np.arange(start, end) for start, end in spans])
        cosines = np.concatenate([_products(self.codes[start:end], row) for start, end in spans])
        cosines = cosines / np.maximum(self.lengths[places], 1e-9)
        best = _largest(cosines, 2 * N_FOUND)
        features, first = np.unique(self.features[places[best]], return_index=True)
        order = np.sort(first)[:N_FOUND]
        return self.features[places[best[order]]].astype(np.int64), cosines[best[order]].astype(np.float32)


def vector_arrays(index: Index, encoder: Encoder) -> dict[str, ndarray]:
    """The labels of an index as codes, in cells when there are many."""
    features, texts = [], []
    for label in index.labels.each():
        features.append(label.feature)
        texts.append(said(label.text, label.source, label.words))
    weights = word_weights(texts)
    parts = [_codes(encoder.encode(texts[at : at + _AT_ONCE], weights)) for at in range(0, len(texts), _AT_ONCE)]
    codes = np.concatenate(parts) if parts else np.zeros((0, 1), np.int8)
    order, centres, starts = _cells(codes)
    codes = codes[order]
    words = list(weights) or [""]
    return {
        "codes": codes,
        "lengths": _lengths(codes),
        "features": np.array(features, np.uint32)[order],
        "centres": centres,
        "starts": starts,
        "words": np.frombuffer("\n".join(words).encode(), np.uint8),
        "weights": np.array([weights.get(word, 1.0) for word in words], np.float32),
    }


def said(text: str, source: str, words: str) -> str:
    """What a label is about, in words: what a rule quotes or lists, else its text; then words of its examples."""
    quoted = re.findall(r'"([^"]*)"', text)
    listed = text.partition("context: ")[2].rstrip(")")
    own = " ".join([*quoted, listed]) if source == "rule" and (quoted or listed) else text
    # What the label says counts twice beside what its examples hold.
    return f"{own} {own} {' '.join(words.split()[:N_WORDS])}"


def word_weights(texts: Sequence[str]) -> dict[str, float]:
    """How much each word counts: the logarithm of one over the share of texts that have it."""
    counts = Counter(word for text in texts for word in set(words_of(text)))
    return {word: math.log((len(texts) + 1) / count) for word, count in counts.items()}


def _codes(rows: Float[ndarray, "n width"]) -> Integer[ndarray, "n width"]:
    top = np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-9)
    return np.rint(rows / top * 127).astype(np.int8)


def _lengths(codes: Integer[ndarray, "n width"]) -> Float[ndarray, " n"]:
    squares = [(codes[at : at + _AT_ONCE].astype(np.float32) ** 2).sum(1) for at in range(0, len(codes), _AT_ONCE)]
    return np.sqrt(np.concatenate(squares)) if squares else np.zeros(0, np.float32)


def _cells(codes: Integer[ndarray, "n width"]) -> tuple[ndarray, ndarray, ndarray]:
    """The order that sorts rows by cell, the centres, and where each cell begins."""
    if len(codes) < LEAST_FOR_CELLS:
        return np.arange(len(codes)), np.zeros((0, codes.shape[1]), np.float32), np.array([0, len(codes)])
    sample = np.random.default_rng(0).choice(len(codes), _SAMPLE, replace=False)
    rows = codes[np.sort(sample)].astype(np.float32)
    centres = centres_of(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), N_CENTRES)
    cell = np.concatenate(
        [nearest_centre(codes[at : at + _AT_ONCE].astype(np.float32), centres) for at in range(0, len(codes), _AT_ONCE)]
    )
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centres)))])
    return np.argsort(cell, kind="stable"), centres, starts


def _products(codes: Integer[ndarray, "n width"], row: Float[ndarray, " width"]) -> Float[ndarray, " n"]:
    return codes.astype(np.float32) @ row


def _largest(values: Float[ndarray, " n"], n: int) -> Integer[ndarray, " found"]:
    """Places of the n largest, largest first."""
    if len(values) > n:
        some = np.argpartition(-values, n)[:n]
        return some[np.argsort(-values[some], kind="stable")]
    return np.argsort(-values, kind="stable")
