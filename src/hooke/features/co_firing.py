"""Which features fire on the same tokens, counted exactly: two dictionaries, or one with itself, on one text.

    00000.safetensors    a shard: for each dictionary its activations [token, feature], by token and by feature

One pass of the model writes shards; sums over all tokens are then taken for some features at a time, so that what is
held grows neither with the corpus nor with the square of the features. A reading that was stopped goes on where it was.

The control of every count is the same text shifted: a feature's firings beside what another one does some windows
later, at the same positions. What remains there is what density, runs and positions alone bring about. Where a
threshold is set by one shift (by half a shard), what passes it is counted on another one (by a quarter).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse

from hooke.activations.harvest import ActivationBatch, stream
from hooke.dictionaries.dictionary import Dictionary
from hooke.errors import BadRequest
from hooke.features.shards import active_entries
from hooke.features.store import map_tensors, save_tensors
from hooke.models.model import Model
from hooke.progress import track
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig

SHARD_WINDOWS = 64
CELLS = 2**20
"""Pairs of features that are held at once."""

_OPEN = 8
_Z = 1.959964
CHOICE, TRIAL = 2, 1
"""Shifts by half a shard, on which thresholds are set, and by a quarter, on which they are tried."""

Columns = Callable[["Shard"], Sequence[sparse.csc_array]]
"""Quantities of some pairs on each token: matrices [token, pair], one for each quantity."""


@dataclass(frozen=True)
class Shard:
    """Some windows: what fires on each of their tokens."""

    columns: tuple[sparse.csc_array, ...]
    """For each dictionary its activations [token, feature], by feature."""
    rows: tuple[sparse.csr_array, ...]
    """The same by token."""
    firing: tuple[sparse.csr_array, ...]
    """1 where a feature fires."""
    n_tokens: int
    context: int

    @property
    def n_windows(self) -> int:
        """Windows in it."""
        return self.n_tokens // self.context

    def taken(self, side: int, features: Int[ndarray, " pair"]) -> sparse.csc_array:
        """Activations of some features of a dictionary, a column each."""
        return self.columns[side][:, features]

    def shifted(self, acts: sparse.csc_array, quarters: int) -> sparse.csc_array:
        """The same so many quarters of a shard later, in whole windows; the end comes to the beginning."""
        if not quarters:
            return acts
        away = max(1, self.n_windows * quarters // 4) * self.context
        tokens = (acts.indices.astype(np.int64) + away) % self.n_tokens
        return sparse.csc_array((acts.data, tokens, acts.indptr), shape=acts.shape)


@dataclass(frozen=True)
class Moments:
    """Sums of quantities of some pairs, and of their products over windows: what intervals are made of."""

    total: Float[ndarray, "quantity pair"]
    cross: Float[ndarray, "quantity quantity pair"]
    n_windows: int

    def interval(
        self, value: Float[ndarray, " pair"], gradient: Float[ndarray, "quantity pair"]
    ) -> Float[ndarray, "pair 2"]:
        """95 % intervals of a function of the sums with this gradient, windows being independent (delta method)."""
        spread = self.cross - self.total[:, None] * self.total[None] / self.n_windows
        variance = np.einsum("qp,qrp,rp->p", gradient, spread, gradient) * self.n_windows / max(self.n_windows - 1, 1)
        half = _Z * np.sqrt(np.maximum(variance, 0))
        return np.stack([value - half, value + half], axis=-1)

    def ratio(self, part: int, whole: int) -> tuple[Float[ndarray, " pair"], Float[ndarray, "pair 2"]]:
        """One sum as a share of another; 0 where there is nothing to share."""
        wholes = np.maximum(self.total[whole], 1)
        share = self.total[part] / wholes
        gradient = np.zeros_like(self.total)
        gradient[part], gradient[whole] = 1 / wholes, -share / wholes
        return share, self.interval(share, gradient)


@dataclass(frozen=True)
class Totals:
    """Sums over counted tokens for each feature."""

    n_active: Int[ndarray, " feature"]
    sum: Float[ndarray, " feature"]
    squares: Float[ndarray, " feature"]


class CoFiring:
    """A text as the activations of one dictionary, or of two, on each of its tokens."""

    def __init__(self, folder: Path, n_features: tuple[int, ...], context: int) -> None:
        self.n_features, self.context = n_features, context
        self._paths = sorted(folder.glob("[0-9]*.safetensors"))
        self._open = lru_cache(_OPEN)(self._read)
        about = [map_tensors(path, "n_counted") for path in self._paths]
        self.n_counted = sum(int(one["n_counted"][0]) for one in about)
        self.n_windows = sum(shard.n_windows for shard in self.shards())

    def _read(self, number: int) -> Shard:
        arrays = map_tensors(self._paths[number])
        columns, rows, fires = [], [], []
        n_tokens = len(arrays["0.offsets"]) - 1
        for side, n_features in enumerate(self.n_features):
            values, features, offsets = (arrays[f"{side}.{name}"] for name in ("values", "features", "offsets"))
            shape = (n_tokens, n_features)
            by_token = sparse.csr_array((values, features, offsets), shape=shape)
            starts, tokens, by_feature = (arrays[f"{side}.{name}"] for name in ("starts", "tokens", "sorted"))
            rows.append(by_token)
            fires.append(sparse.csr_array((np.ones_like(values), features, offsets), shape=shape))
            columns.append(sparse.csc_array((by_feature, tokens, starts), shape=shape))
        return Shard(tuple(columns), tuple(rows), tuple(fires), n_tokens, self.context)

    def shards(self) -> Iterator[Shard]:
        """All shards, in the order of the text."""
        return (self._open(number) for number in range(len(self._paths)))

    def ranges(self, side: int, beside: int) -> Iterator[tuple[int, int]]:
        """Ranges of a dictionary's features that are held at once beside all of the other's."""
        step = max(1, CELLS // self.n_features[beside])
        for first in range(0, self.n_features[side], step):
            yield first, min(first + step, self.n_features[side])

    @cached_property
    def totals(self) -> tuple[Totals, ...]:
        """For each dictionary the sums of its features."""
        found = []
        for side, n in enumerate(self.n_features):
            one = Totals(np.zeros(n, np.int64), np.zeros(n), np.zeros(n))
            for shard in self.shards():
                rows = shard.rows[side]
                one.n_active[:] += np.bincount(rows.indices, minlength=n)
                one.sum[:] += np.bincount(rows.indices, rows.data, minlength=n)
                one.squares[:] += np.bincount(rows.indices, rows.data.astype(np.float64) ** 2, minlength=n)
            found.append(one)
        return tuple(found)

    def sums(
        self,
        side: int,
        beside: int,
        first: int,
        last: int,
        *,
        weighed: tuple[bool, bool] = (False, False),
        shift: int = 0,
        half: int | None = None,
    ) -> Float[ndarray, "range feature"]:
        """Σ over tokens of a · b: for a range of one dictionary's features and all of another's.

        Args:
            weighed: whether a and b are activations; 1 where the feature fires otherwise.
            shift: by how many quarters of a shard one is moved beside the other: the control.
            half: windows of even (0) or odd (1) numbers only.
        """
        found = np.zeros((last - first, self.n_features[beside]))
        for shard in self.shards():
            part = shard.columns[side][:, first:last]
            part = part.astype(np.float64) if weighed[0] else firing(part)
            if half is not None:
                part.data *= part.indices // self.context % 2 == half
            found += (shard.shifted(part, shift).T @ (shard.rows if weighed[1] else shard.firing)[beside]).toarray()
        return found

    def moments(self, columns: Columns, *, half: int | None = None) -> Moments:
        """Sums of quantities of pairs by window, and their products; `half` as in `sums`."""
        total: Any = 0.0
        cross: Any = 0.0
        n_windows = 0
        for shard in self.shards():
            windows = np.arange(shard.n_windows) if half is None else np.arange(half, shard.n_windows, 2)
            by_window = np.stack([_by_window(one, shard)[windows] for one in columns(shard)])
            total = total + by_window.sum(1)
            cross = cross + np.einsum("qwp,rwp->qrp", by_window, by_window)
            n_windows += len(windows)
        return Moments(total, cross, n_windows)


def _by_window(quantity: sparse.csc_array, shard: Shard) -> Float[ndarray, "window pair"]:
    n = len(quantity.indptr) - 1
    pair = np.repeat(np.arange(n), np.diff(quantity.indptr))
    cells = quantity.indices // shard.context * n + pair
    return np.bincount(cells, quantity.data, minlength=shard.n_windows * n).reshape(shard.n_windows, n)


def firing(acts: sparse.csc_array) -> sparse.csc_array:
    """1 where something fires."""
    return sparse.csc_array((np.ones(len(acts.data)), acts.indices, acts.indptr), shape=acts.shape)


def read_co_firing(
    model: Model,
    dictionaries: Sequence[Dictionary],
    corpus: Corpus,
    *,
    n_tokens: int,
    windows: WindowConfig,
    folder: Path,
) -> CoFiring:
    """The pass over the text; shards that are in the folder are kept, so it must be of the same text and weights.

    Raises:
        BadRequest: the corpus does not fill two windows, so that nothing can be held beside a shifted text.
        ShapeMismatch: the tokenizer does not belong to the model.
    """
    n_shards, context = len(list(folder.glob("[0-9]*.safetensors"))), windows.context
    first = n_shards * SHARD_WINDOWS
    n_missing = max(0, ceil(n_tokens / context) - first) * context
    if n_missing:
        sites = list(dict.fromkeys(site for dictionary in dictionaries for site in dictionary.reads))
        batches = stream(model, corpus, sites, windows=windows, n_tokens=n_missing, start=first)
        told = track(batches, "fire together", total=n_missing, unit="tokens", size=lambda batch: len(batch.tokens))
        n_shards = gather(told, dictionaries, folder, context, n_shards)
    if not n_shards:
        raise BadRequest(
            f"The corpus '{corpus.name}' does not fill two windows of {context} tokens.",
            "",
            "Give more text, or a smaller context.",
        )
    return CoFiring(folder, tuple(one.n_features for one in dictionaries), context)


def gather(
    batches: Iterable[ActivationBatch],
    dictionaries: Sequence[Dictionary],
    folder: Path,
    context: int,
    number: int = 0,
) -> int:
    """Write what fires as shards from this number on; how many there are then."""
    folder.mkdir(parents=True, exist_ok=True)
    held: list[dict[str, ndarray]] = []
    for batch in batches:
        held += _by_windows(batch, dictionaries, context)
        while len(held) >= SHARD_WINDOWS:
            _write(folder / f"{number:05d}.safetensors", held[:SHARD_WINDOWS], dictionaries)
            held, number = held[SHARD_WINDOWS:], number + 1
    # One window alone has no other text to be shifted to.
    if len(held) > 1:
        _write(folder / f"{number:05d}.safetensors", held, dictionaries)
        number += 1
    return number


def _by_windows(batch: ActivationBatch, dictionaries: Sequence[Dictionary], context: int) -> list[dict[str, ndarray]]:
    """What fires on each window of a batch."""
    n_windows = len(batch.tokens) // context
    counted = batch.counted.reshape(n_windows, context).numpy()
    found: list[dict[str, ndarray]] = [{"n_counted": counted[number].sum(keepdims=True)} for number in range(n_windows)]
    for side, dictionary in enumerate(dictionaries):
        acts = dictionary.encode(batch.rows(*dictionary.reads).to(dictionary.device))
        entries = active_entries(acts.values, acts.indices, batch.counted.to(acts.values.device))
        counts, features, values = (part.cpu().numpy() for part in entries)
        bounds = np.concatenate([[0], np.cumsum(counts.reshape(n_windows, context).sum(1))])
        for number, (low, high) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            found[number] |= {
                f"{side}.counts": counts[number * context : (number + 1) * context],
                f"{side}.features": features[low:high].astype(np.int32),
                f"{side}.values": values[low:high].astype(np.float32),
            }
    return found


def _write(path: Path, windows: list[dict[str, ndarray]], dictionaries: Sequence[Dictionary]) -> None:
    joined = {name: np.concatenate([window[name] for window in windows]) for name in windows[0]}
    arrays = {"n_counted": joined["n_counted"].sum(keepdims=True).astype(np.int64)}
    for side, dictionary in enumerate(dictionaries):
        offsets = np.concatenate([[0], np.cumsum(joined[f"{side}.counts"])]).astype(np.int32)
        features, values = joined[f"{side}.features"], joined[f"{side}.values"]
        shape = (len(offsets) - 1, dictionary.n_features)
        columns = sparse.csr_array((values, features, offsets), shape=shape).tocsc()
        arrays |= {
            f"{side}.offsets": offsets,
            f"{side}.features": features,
            f"{side}.values": values,
            f"{side}.starts": columns.indptr.astype(np.int32),
            f"{side}.tokens": columns.indices.astype(np.int32),
            f"{side}.sorted": columns.data,
        }
    save_tensors(path, arrays)
