"""Features whose stored examples contain a phrase, whatever its tokens and its case.

The corpus lies as one run of bytes with the place of every token, and all examples lie sorted by where they are. A
phrase is looked for in pieces of the corpus taken in a scattered order, so that for one that is everywhere the places
that are looked at, 4,000 or as many as have 50,000 examples, are from all of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from hooke.errors import BadRequest, UnknownName
from hooke.features.aids import aid
from hooke.features.examples import AFTER, BEFORE
from hooke.features.query import Index
from hooke.features.store import smallest_unsigned
from hooke.features.tokens import TokenReader
from hooke.features.vocabulary import Vocabulary

AID = "phrases-1"
MOST_PLACES, MOST_EXAMPLES = 4000, 50_000
"""Places of a phrase, and examples at them, that are looked at."""
LONGEST = 400

_PIECE = 2**20


@dataclass(frozen=True)
class PhraseHits:
    """The features whose examples contain a phrase, those that peak on it in most examples first."""

    features: Integer[ndarray, " found"]
    """Their numbers."""
    n_examples: Integer[ndarray, " found"]
    """Stored examples of each that contain it."""
    n_peaks: Integer[ndarray, " found"]
    """Of these, how many have their peak on the phrase, or on the token behind it."""
    example: Integer[ndarray, " found"]
    """Position in the corpus of the peak of one of them."""
    n_places: int
    """Places of the phrase that were looked at."""
    is_bounded: bool
    """Whether there are more places."""


def containing(index: Index, phrase: str) -> PhraseHits:
    """The features whose examples contain a phrase.

    Raises:
        BadRequest: the phrase is empty or very long, or the index is large and was not prepared.
        UnknownName: the text of the index is not here.
    """
    wanted = phrase.strip().lower()
    if not 1 <= len(wanted) <= LONGEST:
        raise BadRequest("This is no phrase to look for.", "", f"Give 1 to {LONGEST} characters.")
    text = require_text(index)
    arrays = aid(index, AID, lambda: phrase_arrays(index, text), "bytes", "starts", "peaks", "owners", wait=False)
    first, last, is_bounded = _places(arrays, wanted.encode())
    window = first // text.context * text.context
    low = _sought(arrays["peaks"], np.maximum(last - AFTER, window), "left")
    high = _sought(arrays["peaks"], np.minimum(first + BEFORE, window + text.context - 1), "right")
    counts = np.maximum(high - low, 0)
    if counts.sum() > MOST_EXAMPLES:
        step = int(np.ceil(counts.sum() / MOST_EXAMPLES))
        first, last, low, counts, is_bounded = first[::step], last[::step], low[::step], counts[::step], True
    entries = np.arange(counts.sum()) + np.repeat(low - (np.cumsum(counts) - counts), counts)
    peaks = arrays["peaks"][entries].astype(np.int64)
    on = (peaks >= np.repeat(first, counts)) & (peaks <= np.repeat(last + 1, counts))
    return _by_feature(arrays, entries, on, len(first), is_bounded)


def require_text(index: Index) -> TokenReader:
    """The text of an index.

    Raises:
        UnknownName: it is not here.
    """
    if index.text is None:
        raise UnknownName(
            f"The text of the index '{index.manifest.name}' is not here.",
            index.text_missing,
            "Make it again first: the index page offers it, or run `hooke feature 0`.",
        )
    return index.text


def _by_feature(arrays: dict[str, ndarray], entries: ndarray, on: ndarray, n_places: int, more: bool) -> PhraseHits:
    entries, first = np.unique(np.where(on, 2 * entries, 2 * entries + 1), return_index=True)
    on, entries = on[first], entries // 2
    # One example may hold the phrase twice, on its peak and beside it.
    kept = np.concatenate([[True], entries[1:] != entries[:-1]]) if len(entries) else np.zeros(0, bool)
    on, entries = on[kept], entries[kept]
    owners = arrays["owners"][entries].astype(np.int64)
    features, place = np.unique(owners, return_inverse=True)
    n_examples = np.bincount(place, minlength=len(features))
    n_peaks = np.bincount(place, weights=on, minlength=len(features)).astype(np.int64)
    shown = np.zeros(len(features), np.int64)
    shown[place[::-1]] = entries[::-1]
    shown[place[on][::-1]] = entries[on][::-1]
    order = np.lexsort((features, -n_examples, -n_peaks))
    return PhraseHits(
        features=features[order],
        n_examples=n_examples[order],
        n_peaks=n_peaks[order],
        example=arrays["peaks"][shown[order]].astype(np.int64),
        n_places=n_places,
        is_bounded=more,
    )


def _places(arrays: dict[str, ndarray], wanted: bytes) -> tuple[Integer[ndarray, " n"], Integer[ndarray, " n"], bool]:
    """First and last token of places where the bytes are, and whether there are more."""
    found: list[int] = []
    for start in _scattered_starts(len(arrays["bytes"])):
        piece = arrays["bytes"][start : start + _PIECE + len(wanted) - 1].tobytes()
        at = piece.find(wanted)
        while at >= 0 and len(found) <= MOST_PLACES:
            found.append(start + at)
            at = piece.find(wanted, at + 1)
        if len(found) > MOST_PLACES:
            break
    begin = np.sort(np.array(found[:MOST_PLACES], np.int64))
    first = _sought(arrays["starts"], begin, "right") - 1
    last = _sought(arrays["starts"], begin + len(wanted) - 1, "right") - 1
    return first, last, len(found) > MOST_PLACES


def _sought(where: Integer[ndarray, " n"], values: Integer[ndarray, " m"], side: Literal["left", "right"]) -> ndarray:
    """Where values belong in sorted ones; asked in the same type, since another one would have all of them copied."""
    return np.searchsorted(where, values.astype(where.dtype), side)


def _scattered_starts(n_bytes: int) -> Iterator[int]:
    pieces = np.arange(0, n_bytes, _PIECE)
    yield from np.random.default_rng(0).permutation(pieces).tolist()


def phrase_arrays(index: Index, text: TokenReader) -> dict[str, ndarray]:
    """The bytes of the corpus, where each token begins, and the examples by place."""
    lengths, table, offsets = _lowered(index.vocabulary)
    tokens = np.concatenate([shard["tokens"].reshape(-1) for shard in text.each()])
    each = lengths[tokens]
    starts = np.concatenate([[0], np.cumsum(each)])
    written = np.empty(starts[-1], np.uint8)
    for at in range(0, len(tokens), _PIECE):
        some = slice(at, at + _PIECE)
        begin = np.repeat(offsets[tokens[some]], each[some])
        within = np.arange(each[some].sum()) - np.repeat(starts[some][: len(each[some])] - starts[at], each[some])
        written[starts[at] : starts[min(at + _PIECE, len(tokens))]] = table[begin + within]
    peaks, owners = _examples(index, text.context)
    order = np.argsort(peaks, kind="stable")
    return {
        "bytes": written,
        "starts": starts.astype(smallest_unsigned(int(starts[-1]))),
        "peaks": peaks[order],
        "owners": owners[order],
    }


def _examples(index: Index, context: int) -> tuple[ndarray, ndarray]:
    """The place of every example's peak, and its feature."""
    peaks, owners = [], []
    narrow = smallest_unsigned(index.manifest.n_tokens)
    for first, cards in index.cards_files():
        place = cards["example_window"].astype(np.int64) * context + cards["example_position"]
        counts = cards["example_counts"].astype(np.int64)
        peaks.append(place.astype(narrow))
        owners.append(np.repeat(np.arange(first, first + len(counts), dtype=np.uint32), counts))
    return np.concatenate(peaks), np.concatenate(owners)


def _lowered(vocabulary: Vocabulary) -> tuple[ndarray, ndarray, ndarray]:
    """Length, bytes and place of each token in lower case; a special token is one byte that no phrase has."""
    pieces = [b"\0" if token in vocabulary.special else _lower(piece) for token, piece in enumerate(vocabulary.pieces)]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    return lengths, np.frombuffer(b"".join(pieces), np.uint8), offsets


def _lower(piece: bytes) -> bytes:
    try:
        return piece.decode().lower().encode()
    except UnicodeDecodeError:
        return piece.lower()
