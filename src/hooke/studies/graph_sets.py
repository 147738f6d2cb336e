"""The attribution graphs of a set of prompts: traced one by one, and how alike two sets of them are.

A graph's target is the logit difference of its pair's answers. Rows are few, so that every prompt can have its graph:
what a graph says of features that got no row of their own is that they are there, not what they read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from hooke.circuits.aggregate import Key, key_sizes
from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.pairs import Pairs
from hooke.circuits.places import PARTS, parts
from hooke.circuits.targets import Answers
from hooke.circuits.trace import trace
from hooke.errors import HookeError, UnsupportedModel
from hooke.findings import Estimate
from hooke.models.model import Model, Tokens
from hooke.progress import track

SETTINGS = TraceSettings(max_nodes=100, candidates=1000)
_FEWEST = 4
"""Graphs of a set, at least; fewer say nothing of what returns."""


_LEAST = 1e-3
_RESAMPLES = 400


class TooFewGraphs(HookeError):
    """Too many of a set's prompts could not be traced."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphSet:
    """Graphs of prompts of one kind."""

    graphs: tuple[Graph, ...]
    parts: tuple[tuple[str, ...], ...]
    """Which part each token of each graph plays."""
    rows: tuple[int, ...]
    """Which pair of the set each graph is of."""
    refused: tuple[str, ...] = ()
    """Why each of the other prompts has none."""

    def __len__(self) -> int:
        return len(self.graphs)

    def some(self, chosen: Sequence[int]) -> "GraphSet":
        """Some of the graphs, by their number."""
        return GraphSet(
            graphs=tuple(self.graphs[at] for at in chosen),
            parts=tuple(self.parts[at] for at in chosen),
            rows=tuple(self.rows[at] for at in chosen),
            refused=self.refused,
        )


def trace_set(model: Model, pairs: Pairs, *, clean: bool = True, settings: TraceSettings = SETTINGS) -> GraphSet:
    """The graph of every clean (or corrupted) prompt; one that cannot be traced stops no other.

    Raises:
        TooFewGraphs: fewer than four of the prompts could be traced; the first reason is told.
        UnsupportedModel: the model cannot be traced.
    """
    tokens, where = pairs.clean if clean else pairs.corrupted, parts(pairs)
    found: list[tuple[Graph, tuple[str, ...], int]] = []
    refused: list[str] = []
    for row in track(range(len(pairs)), "graphs", total=len(pairs), unit="prompts"):
        n = int(tokens.lengths[row])
        prompt = Tokens(tokens.ids[row : row + 1, :n], tokens.mask[row : row + 1, :n])
        target = Answers(pairs.answers[row], pairs.wrong[row])
        try:
            graph = trace(model, "neurons", prompt, targets=[target], settings=settings)
        except UnsupportedModel:
            raise
        except HookeError as error:
            refused.append(str(error))
        else:
            found.append((graph, tuple(PARTS[part] for part in where[row, :n].tolist()), row))
    if len(found) < min(_FEWEST, len(pairs)):
        raise TooFewGraphs(
            f"Only {len(found)} of {len(pairs)} prompts could be traced.",
            refused[0] if refused else "",
            "Give other prompts, or load the model as float32.",
        )
    graphs, places, rows = zip(*found, strict=True)
    return GraphSet(graphs=graphs, parts=places, rows=rows, refused=tuple(refused))


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of its graph's influence each key has, graph by graph."""

    keys: list[Key]
    first: ndarray
    """[graph, key] of the first set."""
    second: ndarray


def sizes_of(first: GraphSet, second: GraphSet, *, by_part: bool) -> Sizes:
    """The features of two sets of graphs side by side, with their parts or without."""
    keys, _, sizes = key_sizes(
        [*first.graphs, *second.graphs],
        place="part" if by_part else "feature",
        parts=[*first.parts, *second.parts] if by_part else (),
    )
    is_feature = [at for at, key in enumerate(keys) if not key[0].startswith(("token", "logit"))]
    return Sizes([keys[at] for at in is_feature], sizes[: len(first), is_feature], sizes[len(first) :, is_feature])


def overlap(first: GraphSet, second: GraphSet, n: int, *, generator: np.random.Generator) -> Estimate:
    """Jaccard index of the n features that are strongest on average in each set, resampled over graphs of both.

    A set may have fewer: what has less than a thousandth of the strongest one's influence is not counted. A graph that
    is drawn twice says less than two, so that resampling takes something off; by that much the interval is moved back.
    """
    sizes = sizes_of(first, second, by_part=False)
    tables, counts = (sizes.first, sizes.second), (len(first), len(second))

    def jaccard(samples: ndarray) -> ndarray:
        found = []
        for row in samples:
            drawn = (row[row < counts[0]], row[row >= counts[0]] - counts[0])
            if not min(map(len, drawn)):
                continue
            tops = [
                {at for at in np.argsort(-means, kind="stable")[:n].tolist() if means[at] > _LEAST * means.max()}
                for means in (table[some].mean(0) for table, some in zip(tables, drawn, strict=True))
            ]
            found.append(len(tops[0] & tops[1]) / max(1, len(tops[0] | tops[1])))
        return np.array(found)

    rows = np.arange(sum(counts))
    value = float(jaccard(rows[None])[0])
    drawn = jaccard(generator.choice(rows, (_RESAMPLES, len(rows))))
    low, high = np.clip(np.percentile(drawn, [2.5, 97.5]) + value - drawn.mean(), 0.0, 1.0)
    return Estimate(value=value, interval=(float(low), float(high)))
