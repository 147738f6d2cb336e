"""Two kept prompts side by side: tokens aligned with the fewest changes, and how far their streams are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from hooke.errors import BadRequest
from hooke.prompts.kept import KeptPrompt

Change = Literal["same", "replaced", "only_a", "only_b"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A token of one sequence beside one of the other."""

    a: int | None
    """Its place in the first."""
    b: int | None
    """Its place in the second."""
    change: Change
    """How they go together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedFeature:
    """A feature whose activation differs between two aligned tokens."""

    dictionary: str
    """Its dictionary."""
    feature: int
    """Its number."""
    a: float
    """Activation in the first prompt."""
    b: float
    """Activation in the second."""


@dataclass(frozen=True)
class Difference:
    """Two aligned tokens, layer by layer."""

    pair: int
    cosine: Float[ndarray, " layer"]
    """Cosine of the two streams."""
    distance: Float[ndarray, " layer"]
    """Length of their difference over the mean of their lengths."""
    lens_a: Int[ndarray, " layer"]
    """First guess of the lens in the first prompt; empty without a lens."""
    lens_b: Int[ndarray, " layer"]
    """The same of the second."""
    features: tuple[MovedFeature, ...]
    """Features that differ most, among those kept of each token."""


def align(a: Sequence[int], b: Sequence[int]) -> tuple[Pair, ...]:
    """The two sequences with as few tokens replaced, left out or put in as can be (Levenshtein's distance).

    Of several ways with as few changes, one that keeps equal tokens together from the end on.
    """
    cost = _costs(a, b)
    pairs: list[Pair] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
            pairs.append(Pair(a=i, b=j, change="same" if a[i] == b[j] else "replaced"))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            pairs.append(Pair(a=i, b=None, change="only_a"))
        else:
            j -= 1
            pairs.append(Pair(a=None, b=j, change="only_b"))
    return tuple(reversed(pairs))


def changes(pairs: Sequence[Pair]) -> int:
    """How many pairs are not of equal tokens."""
    return sum(pair.change != "same" for pair in pairs)


def differences(a: KeptPrompt, b: KeptPrompt, pairs: Sequence[Pair], *, n_features: int = 8) -> list[Difference]:
    """How far the streams of aligned tokens are apart, and which features differ.

    Raises:
        BadRequest: the prompts are not of one model.
        BadArtefact: one is damaged.
    """
    if a.meta.model != b.meta.model or a.meta.n_layers != b.meta.n_layers:
        raise BadRequest(
            "These prompts cannot be compared.",
            f"One is of {a.meta.model}, the other of {b.meta.model}.",
            "Run both through the same model.",
        )
    return [
        _difference(a, b, place, pair.a, pair.b, n_features)
        for place, pair in enumerate(pairs)
        if pair.a is not None and pair.b is not None
    ]


def _difference(a: KeptPrompt, b: KeptPrompt, place: int, i: int, j: int, n_features: int) -> Difference:
    cosine = (a.arrays["direction"][:, i].astype(np.float32) * b.arrays["direction"][:, j]).sum(-1)
    # The two norms and the cosine give the distance: rounding of the kept directions must not make it imaginary.
    p, q = a.arrays["norm"][:, i], b.arrays["norm"][:, j]
    squared = np.maximum(p**2 + q**2 - 2 * p * q * np.minimum(cosine, 1), 0)
    has_lens = a.meta.has_lens and b.meta.has_lens
    nothing = np.zeros(0, np.int32)
    return Difference(
        pair=place,
        cosine=np.clip(cosine, -1, 1),
        distance=np.sqrt(squared) / np.maximum((p + q) / 2, 1e-12),
        lens_a=a.arrays["lens_ids"][:, i, 0] if has_lens else nothing,
        lens_b=b.arrays["lens_ids"][:, j, 0] if has_lens else nothing,
        features=_moved(a, b, i, j)[:n_features],
    )


def _moved(a: KeptPrompt, b: KeptPrompt, i: int, j: int) -> tuple[MovedFeature, ...]:
    places = {one.name: place for place, one in enumerate(b.meta.dictionaries)}
    moved = []
    for place, one in enumerate(a.meta.dictionaries):
        if one.name not in places:
            continue
        first, second = _active(a, place, i), _active(b, places[one.name], j)
        moved += [
            MovedFeature(dictionary=one.name, feature=feature, a=first.get(feature, 0.0), b=second.get(feature, 0.0))
            for feature in sorted({*first, *second})
        ]
    changed = [one for one in moved if one.a != one.b]
    return tuple(sorted(changed, key=lambda one: -abs(one.a - one.b)))


def _active(prompt: KeptPrompt, place: int, position: int) -> dict[int, float]:
    ids = prompt.arrays[f"dictionary.{place}.id"][position].tolist()
    values = prompt.arrays[f"dictionary.{place}.act"][position].tolist()
    return {feature: value for feature, value in zip(ids, values, strict=True) if value > 0}


def _costs(a: Sequence[int], b: Sequence[int]) -> list[list[int]]:
    """Fewest changes between each beginning of a and each of b."""
    rows = [list(range(len(b) + 1))]
    for i, token in enumerate(a, 1):
        row, above = [i], rows[-1]
        for j, other in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (token != other)))
        rows.append(row)
    return rows
