"""The second half of an index: feature ranges over all shards become files of cards, files of postings, and labels.

A file of cards holds for a block of features one row each of statistics, effects and neighbours, and their examples one
after the other. A range is as many features as have about two million entries, so memory does not grow with the corpus.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray
from torch import Tensor

from hooke.features.examples import by_strength, choose_examples, example_arrays
from hooke.features.explain import Explainer
from hooke.features.labels import Label
from hooke.features.logit_effects import LogitEffects
from hooke.features.neighbours import nearest, partners
from hooke.features.shards import Postings, ShardReader
from hooke.features.statistics import by_source, histograms, strongest
from hooke.features.store import (
    N_BINS,
    check_offsets,
    coarse_codes,
    corrupt,
    map_tensors,
    save_tensors,
    smallest_unsigned,
)
from hooke.progress import track

BLOCK = 8192
"""Features in one file of cards."""
RANGE_ENTRIES = 2**21

_COUNTED = {"example_counts": "examples", "example_lengths": "activations"}


@dataclass(frozen=True)
class Merge:
    """What every range of features is merged with."""

    folder: Path
    """Where the files go."""
    W_dec: Tensor
    """Decoder rows [feature, d_out]."""
    shards: ShardReader
    """The finished shards."""
    effects: LogitEffects
    """What features promote."""
    explainer: Explainer
    """Makes the labels."""
    n_sources: int
    """Parts of the corpus."""
    n_counted: int
    """Tokens that statistics are over."""
    top: int
    """Fine code of the largest activation."""
    cap: int | None
    """Entries kept of each feature in the files of postings; None for all."""

    def run(self) -> tuple[list[Label], tuple[int, ...]]:
        """Write all files; the labels, and the first feature of each file of postings."""
        labels: list[Label] = []
        columns: list[int] = []
        held: list[dict[str, ndarray]] = []
        n_features = self.shards.n_features
        block_start = 0
        ranges = track(
            self.shards.ranges(RANGE_ENTRIES, BLOCK),
            "cards",
            total=n_features,
            unit="features",
            size=lambda one: one[1] - one[0],
        )
        for first, last in ranges:
            postings = self.shards.postings(first, last)
            order = by_strength(postings)
            held.append(self._cards(postings, order))
            labels += self.explainer.labels(postings, order, self.effects.promoted[first:last])
            if self.cap != 0:
                self._write_columns(len(columns), strongest(postings, order, self.cap))
                columns.append(first)
            if last == n_features or last % BLOCK == 0:
                self._write_cards(block_start // BLOCK, held)
                held, block_start = [], last
        return labels, tuple(columns)

    def _cards(self, postings: Postings, order: ndarray) -> dict[str, ndarray]:
        first, last = postings.first, postings.first + len(postings)
        shards, effects = self.shards, self.effects
        n_active = shards.n_active[first:last]
        neighbour, cosine = nearest(self.W_dec, first, last)
        chosen, groups, offsets = choose_examples(postings, order, shards.text)
        narrow, narrow_token = smallest_unsigned(shards.n_features - 1), smallest_unsigned(shards.text.d_vocab - 1)
        found = partners(postings, shards, self.n_counted)
        return {
            "n_active": n_active.astype(np.int64),
            "mean": (shards.sum[first:last] / np.maximum(n_active, 1)).astype(np.float32),
            "max": shards.max[first:last],
            "histogram": histograms(postings, self.top),
            "by_source": by_source(postings, self.n_sources),
            "promoted": effects.promoted[first:last].astype(narrow_token),
            "promoted_value": effects.promoted_value[first:last].astype(np.float16),
            "suppressed": effects.suppressed[first:last].astype(narrow_token),
            "suppressed_value": effects.suppressed_value[first:last].astype(np.float16),
            "neighbour": neighbour.astype(narrow),
            "neighbour_cosine": cosine.astype(np.float16),
            **found,
            "partner": found["partner"].astype(narrow),
            **example_arrays(postings, chosen, groups, offsets, shards.text.context, self.top),
        }

    def _write_cards(self, number: int, held: list[dict[str, ndarray]]) -> None:
        arrays = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
        for counts, items in _COUNTED.items():
            offsets = np.concatenate([[0], np.cumsum(arrays.pop(counts))])
            arrays[f"{items}_offsets"] = offsets.astype(np.uint32)
        save_tensors(self.folder / "cards" / f"{number:05d}.safetensors", arrays)

    def _write_columns(self, number: int, postings: Postings) -> None:
        arrays = {
            "offsets": postings.offsets.astype(np.uint64),
            "positions": postings.positions.astype(smallest_unsigned(self.shards.text.n_tokens)),
            "codes": coarse_codes(postings.codes, self.top),
        }
        save_tensors(self.folder / "cols" / f"{number:05d}.safetensors", arrays)


_ROWS = {
    "n_active": np.int64,
    "mean": np.float32,
    "max": np.float32,
    "histogram": np.uint32,
    "by_source": np.uint32,
    "promoted": None,
    "promoted_value": np.float16,
    "suppressed": None,
    "suppressed_value": np.float16,
    "neighbour": None,
    "neighbour_cosine": np.float16,
    "partner": None,
    "partner_count": np.uint32,
    "partner_pmi": np.float16,
    "partner_jaccard": np.float16,
}
"""Arrays with one row a feature; None is any unsigned integer."""
_EXAMPLES = ("example_window", "example_position", "example_group")
_ACTIVATIONS = ("activation_place", "activation_code")


def open_cards(path: Path, n_rows: int, n_sources: int) -> dict[str, ndarray]:
    """The arrays of a file of cards, mapped, of the shapes and dtypes that they should have.

    Raises:
        BadArtefact: they have not.
    """
    arrays = map_tensors(path, *_ROWS, *_EXAMPLES, *_ACTIVATIONS, "examples_offsets", "activations_offsets")
    for name, dtype in _ROWS.items():
        array = arrays[name]
        wrong = array.dtype.kind != "u" if dtype is None else array.dtype != dtype
        if wrong or len(array) != n_rows:
            raise corrupt(path, f"'{name}' is {array.dtype} {list(array.shape)} for {n_rows} features")
    if arrays["histogram"].shape[1:] != (N_BINS,) or arrays["by_source"].shape[1:] != (n_sources,):
        raise corrupt(path, "its histograms or its counts by source are too wide or too narrow")
    for family in (
        ("promoted", "promoted_value"),
        ("suppressed", "suppressed_value"),
        ("neighbour", "neighbour_cosine"),
    ):
        if arrays[family[0]].ndim != 2 or arrays[family[0]].shape != arrays[family[1]].shape:
            raise corrupt(path, f"'{family[0]}' and '{family[1]}' do not go together")
    if any(
        arrays[name].shape != arrays["partner"].shape or arrays[name].ndim != 2
        for name in ("partner_count", "partner_pmi", "partner_jaccard")
    ):
        raise corrupt(path, "its partners do not go together")
    _check_lists(path, arrays, n_rows)
    return arrays


def _check_lists(path: Path, arrays: dict[str, ndarray], n_rows: int) -> None:
    n_examples, n_activations = len(arrays["example_window"]), len(arrays["activation_place"])
    lengths = [(name, n_examples) for name in _EXAMPLES] + [(name, n_activations) for name in _ACTIVATIONS]
    if any(arrays[name].shape != (n,) or arrays[name].dtype.kind != "u" for name, n in lengths):
        raise corrupt(path, "its examples do not go together")
    check_offsets(path, arrays["examples_offsets"], n_rows, n_examples)
    check_offsets(path, arrays["activations_offsets"], n_examples, n_activations)
