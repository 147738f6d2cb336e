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
        partner, together = partners(postings, shards, self.n_counted)
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
            "partner": partner.astype(narrow),
            "partner_count": together.astype(np.uint32),
            **example_arrays(postings, chosen, groups, offsets, shards.text.context, self.top),
        }

    def _write_cards(self, number: int, held: list[dict[str, ndarray]]) -> None:
        arrays = {name: np.concatenate([part[name] for part in held]) for name in held[0]}
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
    "example_counts": np.uint8,
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
}
"""Arrays with one row a feature; None is any unsigned integer."""
_TOGETHER = (
    ("promoted", "promoted_value"),
    ("suppressed", "suppressed_value"),
    ("neighbour", "neighbour_cosine"),
    ("partner", "partner_count"),
)
_EXAMPLES = ("example_window", "example_position", "example_group", "example_lengths")
_ACTIVATIONS = ("activation_place", "activation_code")


def open_cards(path: Path, n_rows: int, n_sources: int) -> dict[str, ndarray]:
    """The arrays of a file of cards, mapped, of the shapes and dtypes that they should have.

    Raises:
        BadArtefact: they have not.
    """
    arrays = map_tensors(path, *_ROWS, *_EXAMPLES, *_ACTIVATIONS)
    for name, dtype in _ROWS.items():
        array = arrays[name]
        wrong = array.dtype.kind != "u" if dtype is None else array.dtype != dtype
        if wrong or len(array) != n_rows:
            raise corrupt(path, f"'{name}' is {array.dtype} {list(array.shape)} for {n_rows} features")
    if arrays["histogram"].shape[1:] != (N_BINS,) or arrays["by_source"].shape[1:] != (n_sources,):
        raise corrupt(path, "its histograms or its counts by source are too wide or too narrow")
    for family in _TOGETHER:
        if arrays[family[0]].ndim != 2 or arrays[family[0]].shape != arrays[family[1]].shape:
            raise corrupt(path, f"'{family[0]}' and '{family[1]}' do not go together")
    _add_offsets(path, arrays, n_rows)
    return arrays


def _add_offsets(path: Path, arrays: dict[str, ndarray], n_rows: int) -> None:
    """Put where each feature's examples begin, and each example's activations, beside how many there are."""
    n_examples, n_activations = len(arrays["example_window"]), len(arrays["activation_place"])
    lengths = dict.fromkeys(_EXAMPLES, n_examples) | dict.fromkeys(_ACTIVATIONS, n_activations)
    if any(arrays[name].shape != (n,) or arrays[name].dtype.kind != "u" for name, n in lengths.items()):
        raise corrupt(path, "its examples do not go together")
    for name, n in (("example_counts", n_examples), ("example_lengths", n_activations)):
        offsets = np.concatenate([[0], np.cumsum(arrays[name], dtype=np.int64)])
        if offsets[-1] != n:
            raise corrupt(path, f"'{name}' has {offsets[-1]} of {n}")
        arrays[f"{name}_offsets"] = offsets
