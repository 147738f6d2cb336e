"""A map of features: a plane on which those that write alike lie close together.

It is drawn from what the index already has, each feature's nearest neighbours by decoder cosine, so it needs neither
the dictionary nor a matrix of all pairs, and its cost grows with the number of features alone:

1. the neighbours as a graph, its edges weighted by cosine (negative ones and features that never fire left out);
2. a first place for each feature from the graph's slow directions: block power iteration of the smoothed walk;
3. epochs in which edges pull and random pairs push, with the gradients of UMAP (McInnes et al. 2018);
4. groups of places by k-means, named by the words that their labels have more often than other labels do.

Near on the map mostly means near in the dictionary; far means nothing, and neither do axes or the size of gaps.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from hooke.features.aids import aid, has_aid
from hooke.features.encoders import words_of
from hooke.features.grouping import centres_of, nearest_centre
from hooke.features.meaning import said
from hooke.features.query import Index
from hooke.progress import track

AID = "map-1"
METHOD = (
    "graph of decoder neighbours (cosine), spectral start, then pulling edges and pushing random pairs; "
    "near mostly means alike, far and axes mean nothing"
)
N_NEAREST = 10
N_DIRECTIONS = 8
N_PUSHES = 4
LEAST_COSINE = 0.05

_WALKS = 40
_A, _B = 1.577, 0.895  # umap's curve for min_dist 0.1 and spread 1
_STEP = 1.0
_GRAVITY = 0.1
_N_NAMING_WORDS = 2
_LEAST_RATIO = 1.5


@dataclass(frozen=True)
class Group:
    """A group of features on the map."""

    number: int
    name: str
    """Words that its labels have more often than others; empty where they have none."""
    n: int
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """Features in the plane."""

    features: Integer[ndarray, " point"]
    places: Float[ndarray, "point 2"]
    """Within [-1, 1]."""
    group: Integer[ndarray, " point"]
    groups: list[Group]


def has_map(index: Index) -> bool:
    """Whether the map of an index was drawn."""
    return has_aid(index, AID)


def map_of(index: Index) -> Map:
    """The map of an index; drawn now where it was not."""
    arrays = aid(index, AID, lambda: map_arrays(index), "features", "places", "group", "names")
    names = arrays["names"].tobytes().decode().split("\n")
    places, group = arrays["places"], arrays["group"]
    counts = np.bincount(group, minlength=len(names))
    middle = [
        np.bincount(group, weights=places[:, axis], minlength=len(names)) / np.maximum(counts, 1) for axis in (0, 1)
    ]
    groups = [
        Group(number, name, int(counts[number]), float(middle[0][number]), float(middle[1][number]))
        for number, name in enumerate(names)
        if counts[number]
    ]
    return Map(arrays["features"], places, group, sorted(groups, key=lambda one: -one.n))


def map_arrays(index: Index) -> dict[str, ndarray]:
    """The map of an index as arrays."""
    cards = index.columns("n_active", "neighbour", "neighbour_cosine")
    features = np.flatnonzero(cards["n_active"])
    if not len(features):
        features = np.arange(len(index))
    heads, tails, weights = edges(features, cards["neighbour"][:, :N_NEAREST], cards["neighbour_cosine"][:, :N_NEAREST])
    generator = torch.Generator().manual_seed(0)
    start = first_places(len(features), heads, tails, weights, generator=generator)
    places = settle(start, heads, tails, weights, generator=generator)
    places = _within(places.numpy())
    group = _groups(places)
    texts = _texts(index, features)
    return {
        "features": features.astype(np.uint32),
        "places": places.astype(np.float32),
        "group": group.astype(np.uint16),
        "names": np.frombuffer("\n".join(group_names(texts, group)).encode(), np.uint8),
    }


def edges(
    features: Integer[ndarray, " point"],
    neighbour: Integer[ndarray, "feature n"],
    cosine: Float[ndarray, "feature n"],
) -> tuple[Int[Tensor, " edge"], Int[Tensor, " edge"], Float[Tensor, " edge"]]:
    """The neighbour graph between points, each edge once with its weight, the larger where both ends name it."""
    point = np.full(len(neighbour), -1)
    point[features] = np.arange(len(features))
    heads = np.repeat(np.arange(len(features)), neighbour.shape[1])
    tails, weights = point[neighbour[features].reshape(-1)], cosine[features].reshape(-1).astype(np.float32)
    kept = (tails >= 0) & (weights > LEAST_COSINE) & (tails != heads)
    heads, tails, weights = heads[kept], tails[kept], weights[kept]
    low, high = np.minimum(heads, tails), np.maximum(heads, tails)
    order = np.argsort(-weights, kind="stable")
    _, first = np.unique((low * len(features) + high)[order], return_index=True)
    kept = order[first]
    return torch.from_numpy(low[kept]), torch.from_numpy(high[kept]), torch.from_numpy(weights[kept])


def first_places(
    n: int,
    heads: Int[Tensor, " edge"],
    tails: Int[Tensor, " edge"],
    weights: Float[Tensor, " edge"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "point 2"]:
    """Places from the slowest directions of a walk on the graph; points without an edge are strewn."""
    rows = torch.cat([heads, tails, torch.arange(n)])
    columns = torch.cat([tails, heads, torch.arange(n)])
    values = torch.cat([weights, weights, torch.full((n,), 1e-3)])
    degree = torch.zeros(n).index_add_(0, rows, values).rsqrt()
    places = torch.stack([rows, columns])
    scaled = values * degree[rows] * degree[columns]
    walk = torch.sparse_coo_tensor(places, scaled, (n, n), check_invariants=False).coalesce()
    directions = torch.randn(n, min(N_DIRECTIONS, n), generator=generator)
    still = torch.nn.functional.normalize(1 / degree, dim=0)
    for _ in track(range(_WALKS), "map: start", unit="steps"):
        directions = directions - still[:, None] * (still @ directions)
        directions = torch.linalg.qr(directions + torch.sparse.mm(walk, directions)).Q
    # Several slow directions folded into two keep apart what the first two alone would heap up.
    mixed = directions @ torch.randn(directions.shape[1], 2, generator=generator) * degree[:, None]
    ranks = mixed.argsort(0).argsort(0) / max(n - 1, 1) - 0.5
    return 10 * math.sqrt(max(n, 100)) / 30 * ranks + 0.05 * torch.randn(n, 2, generator=generator)


def settle(
    places: Float[Tensor, "point 2"],
    heads: Int[Tensor, " edge"],
    tails: Int[Tensor, " edge"],
    weights: Float[Tensor, " edge"],
    *,
    generator: torch.Generator,
) -> Float[Tensor, "point 2"]:
    """The places after epochs of pulling along edges and pushing at random points."""
    places = places.clone()
    n_epochs = 200 if len(places) <= 50_000 else 60 if len(places) <= 300_000 else 30
    if not len(heads):
        return places
    share = weights / weights.max()
    for epoch in track(range(n_epochs), "map: settling", unit="epochs"):
        step = _STEP * (1 - epoch / n_epochs)
        # An edge takes part as often as it is strong.
        taken = torch.rand(len(share), generator=generator) < share
        one, other = heads[taken], tails[taken]
        _pull(places, one, other, step)
        for some in (one, other):
            _push(places, some.repeat(N_PUSHES // 2), step, generator)
        # Small groups that hang together with nothing else would be pushed out of sight.
        places -= _GRAVITY * step * (places - places.mean(0))
    return places


def _pull(places: Tensor, one: Tensor, other: Tensor, step: float) -> None:
    apart = places[one] - places[other]
    square = (apart**2).sum(-1, keepdim=True).clamp(min=1e-6)
    force = -2 * _A * _B * square ** (_B - 1) / (1 + _A * square**_B)
    move = (force * apart).clamp(-4, 4) * step
    places.index_add_(0, one, move / 2)
    places.index_add_(0, other, -move / 2)


def _push(places: Tensor, one: Tensor, step: float, generator: torch.Generator) -> None:
    other = torch.randint(len(places), (len(one),), generator=generator)
    apart = places[one] - places[other]
    square = (apart**2).sum(-1, keepdim=True)
    force = 2 * _B / ((0.001 + square) * (1 + _A * square**_B))
    places.index_add_(0, one, (force * apart).clamp(-4, 4) * step / N_PUSHES)


def _within(places: Float[ndarray, "point 2"]) -> Float[ndarray, "point 2"]:
    """Places in [-1, 1], with the outermost hundredth of them brought to the border."""
    low, high = np.quantile(places, [0.002, 0.998], axis=0)
    return np.clip(2 * (places - low) / np.maximum(high - low, 1e-9) - 1, -1, 1)


def _groups(places: Float[ndarray, "point 2"]) -> Integer[ndarray, " point"]:
    n = int(np.clip(len(places) // 150, 1, 60))
    sample = np.random.default_rng(0).permutation(len(places))[:50_000]
    centres = centres_of(places[sample].astype(np.float32), n, rounds=20)
    return nearest_centre(places.astype(np.float32), centres)


def _texts(index: Index, features: Integer[ndarray, " point"]) -> list[str]:
    """What the best label of each feature says."""
    texts = [""] * len(index)
    for label in index.labels.each():
        texts[label.feature] = texts[label.feature] or said(label.text, label.source, label.words)
    return [texts[feature] for feature in features.tolist()]


def group_names(texts: Sequence[str], group: Integer[ndarray, " point"]) -> list[str]:
    """The words of each group's labels that are most typical of it: count · log²(share here / share everywhere)."""
    n_groups = int(group.max(initial=0)) + 1
    inside: list[Counter[str]] = [Counter() for _ in range(n_groups)]
    for text, number in zip(texts, group.tolist(), strict=True):
        inside[number].update(set(words_of(text)))
    everywhere = sum(inside, Counter())
    sizes = np.bincount(group, minlength=n_groups)
    names = []
    for words, size in zip(inside, sizes.tolist(), strict=True):
        scores = {
            word: n * math.log(ratio) ** 2
            for word, n in words.items()
            if n > 2 and len(word) > 2 and (ratio := n / size / (everywhere[word] / len(texts))) > _LEAST_RATIO
        }
        best = sorted(scores, key=lambda word: (-scores[word], word))[:_N_NAMING_WORDS]
        names.append(", ".join(best))
    return names
