"""All features in an order, narrowed by filters: what each filter hides is counted, and so is what facets would leave.

Columns and orders are made once for an index and mapped from then on, so that a page of a million features costs a few
passes over arrays of bytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, UInt, UInt8, UInt32
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.features.aids import aid
from hooke.features.query import Index

Sort = Literal["number", "density", "max", "score", "f1", "label"]
AID = "listing-1"
FACETS = ("kind", "source", "part")
NONE = 255
"""Code of a feature without a label, or that never fired."""

_SELECTIONS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """Which features are listed."""

    min_density: float = 0.0
    """At least this share of tokens."""
    max_density: float = 1.0
    """At most this share of tokens."""
    min_max: float = 0.0
    """A largest activation of at least this."""
    min_score: float = 0.0
    """A label with at least this balanced accuracy."""
    kind: str | None = None
    """Kind of the label; 'unlabelled' for features without one."""
    source: str | None = None
    """Who made the label."""
    part: str | None = None
    """The part of the corpus that is most over-represented."""
    alive: bool | None = None
    """Only features that ever fired, or only those that never did."""

    def in_force(self) -> dict[str, str]:
        """The filters that may hide something, with their values."""
        return {
            field.name: str(value).lower() if isinstance(value, bool) else f"{value:g}" if _is_number(value) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


@dataclass(frozen=True)
class Selection:
    """The features that pass, in order."""

    features: UInt32[ndarray, " passing"]
    """Their numbers."""
    hidden: dict[str, int]
    """For each filter in force, how many features it alone hides."""
    facets: dict[str, dict[str, int]]
    """For each facet, how many features each value would leave."""


class Listing:
    """The columns of an index's features."""

    def __init__(self, arrays: dict[str, ndarray]) -> None:
        self.n_active: UInt32[ndarray, " feature"] = arrays["n_active"]
        self.density: Float[ndarray, " feature"] = arrays["density"]
        self.max: Float[ndarray, " feature"] = arrays["max"]
        self.score: Float[ndarray, " feature"] = arrays["score"]
        self.f1: Float[ndarray, " feature"] = arrays["f1"]
        self.codes: dict[str, UInt8[ndarray, " feature"]] = {name: arrays[name] for name in FACETS}
        self.names = {name: _unpacked(arrays[f"{name}_names"]) for name in FACETS}
        self.row_feature: UInt32[ndarray, " label"] = arrays["row_feature"]
        self._orders = {name: arrays[f"by_{name}"] for name in ("density", "max", "score", "f1", "label")}
        self._n_valued = dict(zip(self._orders, arrays["n_valued"].tolist(), strict=True))
        self.select: Callable[[Filters, Sort, bool], Selection] = lru_cache(_SELECTIONS)(self._select)

    @staticmethod
    def of(index: Index) -> "Listing":
        """The listing of an index; made now where it was not."""
        if "Listing" not in index.aids:
            index.aids["Listing"] = Listing(aid(index, AID, lambda: listing_arrays(index), "n_active", "n_valued"))
        return index.aids["Listing"]

    def __len__(self) -> int:
        return len(self.n_active)

    def value(self, facet: str, feature: int) -> str:
        """A feature's value of a facet, empty where it has none."""
        code = int(self.codes[facet][feature])
        return "" if code == NONE else self.names[facet][code]

    def _select(self, filters: Filters, sort: Sort, descending: bool) -> Selection:
        failing = {name: self._fails(filters, name) for name in filters.in_force()}
        n_failed = sum((fails.view(np.uint8) for fails in failing.values()), np.zeros(len(self), np.uint8))
        order = self._order(sort, descending)
        return Selection(
            features=order[n_failed[order] == 0] if failing else order,
            hidden={name: int(np.count_nonzero(fails & (n_failed == 1))) for name, fails in failing.items()},
            facets={name: self._facet(name, n_failed, failing.get(name)) for name in FACETS},
        )

    def _fails(self, filters: Filters, name: str) -> Bool[ndarray, " feature"]:
        match name:
            case "min_density":
                return self.density < filters.min_density
            case "max_density":
                return self.density > filters.max_density
            case "min_max":
                return self.max < filters.min_max
            case "min_score":
                # A feature without a score is not known to reach any.
                return ~(self.score >= filters.min_score)
            case "alive":
                return (self.n_active > 0) != filters.alive
        wanted = getattr(filters, name)
        if wanted == unset(name):
            return self.codes[name] != NONE
        if wanted not in self.names[name]:
            known = [*self.names[name], unset(name)]
            raise BadRequest(f"No feature has the {name} '{wanted}'.", "", f"There are: {', '.join(known)}.")
        return self.codes[name] != self.names[name].index(wanted)

    def _order(self, sort: Sort, descending: bool) -> UInt32[ndarray, " feature"]:
        """Every feature in an order; those without a value come last either way."""
        if sort == "number":
            numbers = np.arange(len(self), dtype=np.uint32)
            return numbers[::-1] if descending else numbers
        order, n_valued = self._orders[sort], self._n_valued[sort]
        return np.concatenate([order[:n_valued][::-1], order[n_valued:]]) if descending else order

    def _facet(self, name: str, n_failed: ndarray, own: ndarray | None) -> dict[str, int]:
        passes = (n_failed if own is None else n_failed - own) == 0
        counts = np.bincount(self.codes[name][passes], minlength=NONE + 1)
        found = {value: int(counts[code]) for code, value in enumerate(self.names[name])}
        found[unset(name)] = int(counts[NONE])
        return {value: n for value, n in sorted(found.items(), key=lambda item: -item[1]) if n}


def unset(facet: str) -> str:
    """What a facet calls features that have no value of it."""
    return "never fired" if facet == "part" else "unlabelled"


def listing_arrays(index: Index) -> dict[str, ndarray]:
    """The columns and orders of an index."""
    cards = index.columns("n_active", "max", "by_source")
    n_active = cards["n_active"]
    labels = index.labels.all_first(len(index))
    kind_codes, kinds = _coded(labels.kinds)
    maker_codes, makers = _coded(labels.makers)
    columns = {
        "density": (n_active / max(index.manifest.n_counted, 1)).astype(np.float32),
        "max": cards["max"],
        "score": labels.score.astype(np.float32),
        "f1": labels.f1.astype(np.float32),
        "label": labels.rank,
    }
    valued = {
        name: np.isfinite(column) if column.dtype.kind == "f" else column >= 0 for name, column in columns.items()
    }
    return {
        "n_active": n_active.astype(np.uint32),
        **{name: columns[name] for name in ("density", "max", "score", "f1")},
        "kind": kind_codes,
        "source": maker_codes,
        "part": _parts(cards["by_source"], index.manifest.source_tokens),
        "kind_names": _packed(kinds),
        "source_names": _packed(makers),
        "part_names": _packed(index.manifest.sources),
        "row_feature": labels.row_feature,
        "n_valued": np.array([int(mask.sum()) for mask in valued.values()], np.int64),
        **{f"by_{name}": _ordered(column, valued[name]) for name, column in columns.items()},
    }


def _ordered(column: ndarray, valued: Bool[ndarray, " feature"]) -> UInt32[ndarray, " feature"]:
    with_value, without = np.flatnonzero(valued), np.flatnonzero(~valued)
    order = with_value[np.argsort(column[with_value], kind="stable")]
    return np.concatenate([order, without]).astype(np.uint32)


def _parts(by_source: UInt[ndarray, "feature source"], source_tokens: Sequence[int]) -> UInt8[ndarray, " feature"]:
    """The most over-represented part of the corpus among each feature's firings."""
    total = by_source.sum(axis=1)
    base = np.maximum(np.asarray(source_tokens, np.float64), 1)
    best = (by_source / base).argmax(axis=1)
    return np.where(total > 0, best, NONE).astype(np.uint8)


def _coded(values: Sequence[str]) -> tuple[UInt8[ndarray, " feature"], list[str]]:
    """Each value as a number, empty ones as `NONE`, and the values that the numbers stand for."""
    names = sorted({*values} - {""})[:NONE]
    code = {name: place for place, name in enumerate(names)}
    return np.array([code.get(value, NONE) for value in values], np.uint8), names


def _packed(names: Sequence[str]) -> UInt8[ndarray, " byte"]:
    return np.frombuffer("\n".join(names).encode(), np.uint8)


def _unpacked(packed: UInt8[ndarray, " byte"]) -> list[str]:
    text = packed.tobytes().decode()
    return text.split("\n") if text else []
