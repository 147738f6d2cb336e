"""Which tokens are shown for a feature: its strongest, and some from every fifth of its firings.

One example a window, no two with the same ten tokens around their peak, and no document more than twice in a group as
long as there are others. Examples are references (window, position) with the feature's activations around the peak.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt
from numpy import ndarray

from hooke.features.shards import Postings, stable_order
from hooke.features.store import coarse_codes
from hooke.features.tokens import TokenReader

N_TOP = 20
N_BANDS = 5
N_PER_BAND = 4
BEFORE, AFTER = 32, 8
"""Tokens shown before and after the peak."""

_TOP_CANDIDATES = 128
_BAND_CANDIDATES = 12
_SAME_BEFORE, _SAME_AFTER = 7, 2
_PER_DOCUMENT = 2


def by_strength(postings: Postings) -> Int[ndarray, " entry"]:
    """The entries of each feature from its strongest to its weakest.

    Equal codes come in a scattered order: a feature with one typical strength would show the corpus's beginning only.
    """
    order = stable_order((_scattered(postings.positions) >> np.uint64(48)).astype(np.uint16))
    order = order[stable_order(65535 - postings.codes[order])]
    return order[stable_order(postings.places[order].astype(np.uint32))]


def _scattered(numbers: Integer[ndarray, "..."]) -> UInt[ndarray, "..."]:
    """A fixed pseudo-random 64-bit number for each number (the finaliser of splitmix64, Steele et al. 2014)."""
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class _Candidate:
    """A token that may be shown."""

    entry: int
    window: int
    document: int
    around: int
    """Hash of the tokens around it."""


def choose_examples(
    postings: Postings, order: Int[ndarray, " entry"], text: TokenReader
) -> tuple[ndarray, ndarray, ndarray]:
    """The chosen entries, the group of each (0 the strongest, 1 the highest fifth, ...), and offsets by feature."""
    columns = np.stack([_candidate_ranks(int(n)) for n in np.diff(postings.offsets)])
    groups = np.repeat(np.arange(1 + N_BANDS), [_TOP_CANDIDATES] + [_BAND_CANDIDATES] * N_BANDS)
    valid = columns >= 0
    entries = np.full(columns.shape, -1)
    entries[valid] = order[(columns + postings.offsets[:-1, None])[valid]]
    positions = np.zeros(columns.shape, np.int64)
    positions[valid] = postings.positions[entries[valid]]
    window = positions // text.context
    document = text.take("document", positions)
    around = _around(positions, text)
    chosen: list[int] = []
    chosen_groups: list[int] = []
    offsets = [0]
    for place in range(len(postings)):
        here = [
            (int(groups[column]), _Candidate(*values))
            for column, values in zip(
                np.flatnonzero(valid[place]).tolist(),
                zip(
                    *(array[place][valid[place]].tolist() for array in (entries, window, document, around)), strict=True
                ),
                strict=True,
            )
        ]
        for group, entry in _pick(here):
            chosen_groups.append(group)
            chosen.append(entry)
        offsets.append(len(chosen))
    return np.array(chosen, np.int64), np.array(chosen_groups, np.uint8), np.array(offsets, np.int64)


def _candidate_ranks(n: int) -> Int[ndarray, " column"]:
    """Ranks to look at: the strongest, then a spread over each fifth; -1 fills up."""
    top = np.where(np.arange(_TOP_CANDIDATES) < n, np.arange(_TOP_CANDIDATES), -1)
    if n <= N_TOP:
        return np.concatenate([top, np.full(N_BANDS * _BAND_CANDIDATES, -1)])
    edges = n * np.arange(N_BANDS + 1) // N_BANDS
    # Multiples of the golden ratio, modulo 1, spread evenly however many of them are taken.
    spread = (0.5 + np.arange(_BAND_CANDIDATES) * 0.6180339887) % 1
    bands = edges[:-1, None] + (spread * np.diff(edges)[:, None]).astype(np.int64)
    return np.concatenate([top, bands.reshape(-1)])


def _around(positions: Int[ndarray, "*n"], text: TokenReader) -> Int[ndarray, "*n"]:
    """A hash of the ten tokens around each position; places outside the window repeat its nearest token."""
    start = positions - positions % text.context
    mixed = np.zeros(positions.shape, np.uint64)
    for step in range(-_SAME_BEFORE, _SAME_AFTER + 1):
        tokens = text.take("tokens", np.clip(positions + step, start, start + text.context - 1))
        mixed = _scattered(mixed + tokens.astype(np.uint64))
    return mixed.astype(np.int64)


def _pick(candidates: Iterable[tuple[int, _Candidate]]) -> Iterable[tuple[int, int]]:
    """(group, entry) of what is shown of one feature."""
    by_group: dict[int, list[_Candidate]] = {}
    for group, candidate in candidates:
        by_group.setdefault(group, []).append(candidate)
    windows: set[int] = set()
    seen: set[int] = set()
    for group, offered in by_group.items():
        limit = N_TOP if group == 0 else N_PER_BAND
        documents: dict[int, int] = {}
        taken: list[int] = []
        for per_document in (_PER_DOCUMENT, limit):
            for one in offered:
                if len(taken) == limit:
                    break
                if one.window in windows or one.around in seen or documents.get(one.document, 0) >= per_document:
                    continue
                windows.add(one.window)
                seen.add(one.around)
                documents[one.document] = documents.get(one.document, 0) + 1
                taken.append(one.entry)
        order = [one.entry for one in offered]
        yield from ((group, entry) for entry in sorted(taken, key=order.index))


def example_arrays(
    postings: Postings, chosen: Int[ndarray, " example"], groups: ndarray, offsets: ndarray, context: int, top: int
) -> dict[str, ndarray]:
    """The chosen examples as a part of a file of cards: where each is, and the feature's activations around it."""
    position = postings.positions[chosen]
    within = position % context
    begin = position - np.minimum(within, BEFORE)
    end = position + np.minimum(context - 1 - within, AFTER)
    span = int(postings.positions.max(initial=0)) + AFTER + BEFORE + 2
    keys = postings.places * span + postings.positions
    place = np.repeat(np.arange(len(postings)), np.diff(offsets))
    low = np.searchsorted(keys, place * span + begin, "left")
    high = np.searchsorted(keys, place * span + end, "right")
    lengths = high - low
    entry = np.arange(lengths.sum()) + np.repeat(low - (np.cumsum(lengths) - lengths), lengths)
    return {
        "example_counts": np.diff(offsets).astype(np.uint8),
        "example_window": (position // context).astype(np.uint32),
        "example_position": within.astype(np.uint32 if context > 65536 else np.uint16),
        "example_group": groups,
        "example_lengths": lengths.astype(np.uint8),
        "activation_place": (postings.positions[entry] - np.repeat(begin, lengths)).astype(np.uint8),
        "activation_code": coarse_codes(postings.codes[entry], top),
    }


def evenly(
    starts: Int[ndarray, " range"], counts: Int[ndarray, " range"], n: int
) -> tuple[Int[ndarray, "range n"], Bool[ndarray, "range n"]]:
    """Up to `n` evenly spaced numbers of each run of `counts` numbers from `starts` on, and which of them are there."""
    taken = np.minimum(counts, n)[:, None]
    steps = np.arange(n)[None, :]
    places = ((2 * steps + 1) * counts[:, None]) // np.maximum(2 * taken, 1)
    valid = steps < taken
    return np.where(valid, places + starts[:, None], 0), valid
