"""Which features get rows of their own: best first, by influence on the targets, until the budget is spent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from hooke.circuits.basis import Basis
from hooke.circuits.frozen import FrozenModel
from hooke.circuits.graph import TraceSettings
from hooke.circuits.rows import Edges, fill_edges, no_edges
from hooke.circuits.sweep import Rows
from hooke.circuits.targets import Target, target_rows
from hooke.progress import track

_FIRST = 64
"""Features of the first step; each one takes up to twice as many as the one before, for more is known by then."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """Features with rows, and everything that comes in there."""

    chosen: Int[Tensor, " chosen"]
    """Their numbers, in the order in which they were expanded."""
    edges: Edges
    """Into the targets, and then into the features."""


def expand(frozen: FrozenModel, basis: Basis, goals: Sequence[Target], settings: TraceSettings) -> Expanded:
    """Best first: the unexpanded features of the largest influence get rows, until the budget is spent."""
    n, n_goals = min(settings.max_nodes, len(basis.features)), len(goals)
    edges = no_edges(frozen, basis, n_goals + n)
    sizes = edges.constant.clone()
    weights = torch.tensor([goal.weight for goal in goals], device=sizes.device)
    chosen = torch.zeros(0, dtype=torch.int64, device=sizes.device)

    def fill(start: int, rows: Rows) -> None:
        here = edges.take(slice(start, start + len(rows)))
        fill_edges(here, frozen, basis, rows, batch=settings.batch)
        sizes[start : start + len(rows)] = _size(here)

    def steps() -> Iterator[int]:
        nonlocal chosen
        size = min(_FIRST, settings.batch)
        while len(chosen) < n:
            reached = _influence(edges, sizes, weights, chosen, basis)
            reached[chosen] = 0
            found = reached.topk(min(size, n - len(chosen)))
            new = found.indices[found.values > 0]
            if len(new) == 0:
                return
            fill(n_goals + len(chosen), basis.inputs(new))
            chosen = torch.cat([chosen, new])
            size = min(2 * size, settings.batch)
            yield len(new)

    fill(0, target_rows(goals))
    for _ in track(steps(), "trace", total=n, unit="nodes", size=float):
        pass
    return Expanded(chosen, edges.take(slice(n_goals + len(chosen))))


def _size(edges: Edges) -> Tensor:
    """Σ|edges| of each row, without constants."""
    total = edges.features.abs().sum(-1) + edges.remainder.abs().sum((-2, -1)) + edges.tokens.abs().sum(-1)
    return total.clamp_min_(1e-10)


def _influence(edges: Edges, sizes: Tensor, weights: Tensor, chosen: Tensor, basis: Basis) -> Tensor:
    """w·(A + A² + ...) of every feature, by the rows that are known, from the last layer to the first."""
    n_goals = len(weights)
    reached = (weights / sizes[:n_goals]) @ edges.features[:n_goals].abs()
    layer = basis.features.layer[chosen]
    for one in layer.unique().flip(0):
        at = (layer == one).nonzero()[:, 0]
        # A few rows at a time, so that no second matrix of all edges is made.
        reached += (reached[chosen[at]] / sizes[at + n_goals]) @ edges.features[at + n_goals].abs_()
    return reached
