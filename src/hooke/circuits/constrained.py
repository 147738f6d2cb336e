"""The constrained test: one source doubled in the frozen model must move every target by exactly its edge.

Attention patterns, norm denominators and all other nodes are held, the change runs forwards through the blocks, and
each target is read by its own definition (a feature's encoder behind the norm, a neuron's gate and input with the half
rule's multipliers, an unembedding row behind the final norm; before any soft cap). The edges came from a backward sweep
that shares none of these products. The test passes by construction when the code is right: it speaks of the engine, not
of the model. Of the model speaks `validate.py`. Ameisen et al., "Circuit Tracing" (2025).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.forward import at_once, forward
from hooke.circuits.graph import Graph
from hooke.circuits.readers import Reader, readers_of
from hooke.circuits.reopened import Reopened, reopen
from hooke.dictionaries.replacement import Replacement
from hooke.models.model import Model

N_SOURCES = 40
LIMIT = 1e-4
"""Largest error, relative to the scale of the target's row, of an engine that is right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstrainedResult:
    """How far edges are from what doubling their source does."""

    n_sources: int
    n_edges: int
    error: float
    """The largest, relative to the scale of its row."""
    source: str
    """Where that edge begins."""
    target: str
    edge: float
    """What the graph has there."""
    change: float
    """What doubling the source did."""

    @property
    def is_exact(self) -> bool:
        """Whether every edge is what the frozen model does."""
        return self.error <= LIMIT

    def __str__(self) -> str:
        checked = f"{self.n_sources:,} sources doubled in the frozen model, {self.n_edges:,} edges"
        if not self.n_edges:
            return f"{checked}: nothing to compare."
        worst = f"largest error {self.error:.1e} of its row, at {self.source} → {self.target}"
        words = "the edges are exact" if self.is_exact else f"NOT exact (at most {LIMIT:.0e})"
        return f"{checked}: {words}; {worst} ({self.edge:+.4g} in the graph, {self.change:+.4g} found)."


def constrained(
    graph: Graph, model: Model, dictionary: Replacement | str, *, n: int | None = N_SOURCES, seed: int = 0
) -> ConstrainedResult:
    """The largest error of the edges that leave `n` sources, drawn from each kind in turn; of all where n is None.

    Of a graph that was cut, only the edges that it still has are compared, and no rest, which then has no vector of
    its own. Targets that are directions are left out: a graph does not keep their vectors.

    Raises:
        BadRequest: the graph is of another model or dictionary, or was made by another tool.
        HookeError: see `freeze`.
    """
    with torch.no_grad():
        opened = reopen(graph, model, dictionary)
        chosen = _drawn(opened, n, seed)
        readers = list(readers_of(opened, range(graph.n_rows)))
        rows = np.array([row for reader in readers for row in reader.rows], dtype=int)
        found = np.zeros((graph.n_rows, len(chosen)))
        size = at_once(opened.frozen)
        for start in range(0, len(chosen), size):
            group = chosen[start : start + size]
            found[:, start : start + len(group)] = _changes(opened, readers, group)
    edges = graph.weights[:, chosen].astype(np.float64)
    is_compared = np.zeros(edges.shape, bool)
    is_compared[rows] = True
    if np.any(graph.hidden):
        is_compared &= edges != 0
    errors = np.where(is_compared, np.abs(edges - found) / _scale(graph)[:, None], 0)
    row, column = np.unravel_index(int(errors.argmax()), errors.shape) if errors.size else (0, 0)
    return ConstrainedResult(
        n_sources=len(chosen),
        n_edges=int(is_compared.sum()),
        error=float(errors.max(initial=0)),
        source=graph.nodes[chosen[column]].id if chosen else "",
        target=graph.nodes[row].id,
        edge=float(edges[row, column]) if chosen else 0.0,
        change=float(found[row, column]) if chosen else 0.0,
    )


def _drawn(opened: Reopened, n: int | None, seed: int) -> list[int]:
    generator, graph = np.random.default_rng(seed), opened.graph
    kinds = ("feature", "token", "error", "rest") if opened.is_whole else ("feature", "token", "error")
    piles = [generator.permutation(graph.numbers(kind)).tolist() for kind in kinds]
    n = sum(map(len, piles)) if n is None else n
    chosen: list[int] = []
    while any(piles) and len(chosen) < n:
        chosen += [pile.pop() for pile in piles if pile][: n - len(chosen)]
    return [int(number) for number in chosen]


def _scale(graph: Graph) -> Float[ndarray, " row"]:
    """What an error of a row is measured against: its value, or a thousandth of what cancels in it."""
    values = np.array([node.value or 0.0 for node in graph.nodes[: graph.n_rows]])
    return np.maximum(np.maximum(np.abs(values), 1e-3 * np.abs(graph.weights).sum(1)), 1e-12)


def _changes(opened: Reopened, readers: Sequence[Reader], sources: Sequence[int]) -> Float[ndarray, "row source"]:
    graph = opened.graph
    found = np.zeros((graph.n_rows, len(sources)))
    writes = [opened.writes(graph.nodes[number]) for number in sources]
    for depth, change in forward(opened.frozen, writes, opened.skips):
        for reader in readers:
            if reader.depth == depth:
                found[reader.rows] = reader.read(change).T.double().cpu().numpy()
    return found
