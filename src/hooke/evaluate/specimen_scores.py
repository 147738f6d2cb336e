"""Every method of finding a circuit, scored against specimens whose circuit is known.

A method scores items: edges between components, components, or the neurons and edges of attribution graphs. What it
claims are the items whose score is at least a tenth as large as the largest: a rule that knows nothing of the specimen
and is the same for its twin and its random control. AUROC needs no such rule: how often a planted item is scored above
one that is not. The twin and the random control lack what was planted, so that there every planted item that is claimed
is a false positive; where the twin's own answers run through the same heads and MLPs, by other neurons, only a method
that sees neurons can tell the two apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from hooke.circuits.components import open_components
from hooke.circuits.discover import METHODS, DiscoverSettings, discover
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.pairs import NoEffect, Pairs, open_pairs
from hooke.circuits.patch import PatchSettings, patch
from hooke.errors import UnknownName, did_you_mean
from hooke.evaluate.recovery import ARMS, Arm, recover
from hooke.findings import Estimate
from hooke.models.model import Model
from hooke.progress import track
from hooke.specimens import Specimen

CLAIMED = 0.1
"""Of the largest score: what is as large counts as found."""
_RESAMPLES = 200
NODE_METHODS = ("patch-exact", "patch-attribution")
GRAPH_METHODS = {"graph-neurons": "node", "graph-edges": "edge"}
SCORED_METHODS = (*METHODS, *NODE_METHODS, *GRAPH_METHODS)


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecimenScore:
    """How one method does on one of a specimen's three models, with intervals over pairs of prompts."""

    method: str
    items: str
    """edges, components, or neurons and edges of graphs, which are counted prompt by prompt."""
    arm: str
    """specimen, twin or random."""
    n_items: int | None
    n_planted: int | None
    n_claimed: int | None
    """On all pairs; None where counted prompt by prompt."""
    precision: Estimate
    """Planted, of what is claimed; NaN where nothing is."""
    recall: Estimate
    """Claimed, of what is planted: in the twin and the random control, the false positives."""
    auroc: Estimate | None
    """None for graphs, which score only what they found."""


@dataclass(frozen=True, slots=True)
class _Items:
    """Scores of every item from any choice of pairs."""

    kind: str
    n_pairs: int
    """1 where a method scores the set as a whole."""
    score: Callable[[ndarray], ndarray]
    """Rows of pairs to the size of every item's score."""
    planted: Bool[ndarray, " item"]


def score(specimen: Specimen, method: str, arm: Arm = "specimen", *, seed: int = 0) -> SpecimenScore:
    """One method on one of the specimen's models, all three of which are given the specimen's pairs.

    Raises:
        UnknownName: there is no such method.
    """
    if method not in SCORED_METHODS:
        raise UnknownName(
            f"No method '{method}' to score.",
            did_you_mean(method, SCORED_METHODS),
            f"There are: {', '.join(SCORED_METHODS)}.",
        )
    if method in GRAPH_METHODS:
        return _of_graphs(specimen, method, arm, seed)
    model = specimen.models[arm]
    pairs = open_pairs(model, specimen.pairs)
    graph = open_components(model).graph
    items = (
        _components(model, pairs, graph, specimen, method.removeprefix("patch-"))
        if method in NODE_METHODS
        else _edges(model, pairs, specimen, DiscoverSettings(method=method, seed=seed))
    )
    generator = np.random.default_rng(seed)
    whole = np.arange(items.n_pairs)
    draws = [generator.integers(0, items.n_pairs, items.n_pairs) for _ in range(_RESAMPLES)]
    own = _measured(items.score(whole), items.planted)
    again = [_measured(items.score(rows), items.planted) for rows in draws] if items.n_pairs > 1 else [own]
    estimates = [
        Estimate(value=value, interval=_interval([one[at] for one in again])) for at, value in enumerate(own[:3])
    ]
    return SpecimenScore(
        method=method,
        items=items.kind,
        arm=arm,
        n_items=len(items.planted),
        n_planted=int(items.planted.sum()),
        n_claimed=int(own[3]),
        precision=estimates[0],
        recall=estimates[1],
        auroc=estimates[2],
    )


def effects(specimen: Specimen) -> dict[str, float]:
    """Mean difference of the metric between the prompts of a pair, by arm: whether there is anything to explain."""
    found = {}
    for arm, model in specimen.models.items():
        pairs = open_pairs(model, specimen.pairs)
        values = []
        for tokens in (pairs.clean, pairs.corrupted):
            run = model.run(tokens)
            assert run.logits is not None
            values.append(float(pairs.judge(pairs.last(run.logits)).mean()))
        found[arm] = values[0] - values[1]
    return found


def score_all(
    specimen: Specimen, methods: tuple[str, ...] = SCORED_METHODS, *, seed: int = 0
) -> dict[str, dict[str, SpecimenScore]]:
    """Every method on the specimen, its twin and its random control: method -> arm -> score."""
    return {
        method: {arm: score(specimen, method, arm, seed=seed) for arm in ARMS}
        for method in track(methods, specimen.name, unit="methods")
    }


def auroc(scores: Float[ndarray, " item"], planted: Bool[ndarray, " item"]) -> float:
    """Chance that a planted item is scored above one that is not, ties counted half (Mann and Whitney 1947)."""
    own, others = scores[planted], scores[~planted]
    if len(own) == 0 or len(others) == 0:
        return float("nan")
    above = (own[:, None] > others[None]).mean()
    return float(above + 0.5 * (own[:, None] == others[None]).mean())


def _of_graphs(specimen: Specimen, method: str, arm: Arm, seed: int) -> SpecimenScore:
    found = recover(specimen, arm, seed=seed)
    kind = GRAPH_METHODS[method]
    measured = [getattr(found, f"{kind}_{measure}") for measure in ("precision", "recall")]
    precision, recall = (Estimate(value=one.value, interval=one.interval) for one in measured)
    return SpecimenScore(
        method="graph",
        items={"node": "neurons", "edge": "edges of neurons"}[kind],
        arm=arm,
        n_items=None,
        n_planted=None,
        n_claimed=None,
        precision=precision,
        recall=recall,
        auroc=None,
    )


def _measured(scores: ndarray, planted: ndarray) -> tuple[float, float, float, int]:
    claimed = (scores >= CLAIMED * scores.max()) & (scores > 0)
    hits, n_claimed = int((claimed & planted).sum()), int(claimed.sum())
    precision = hits / n_claimed if n_claimed else float("nan")
    return precision, hits / int(planted.sum()), auroc(scores, planted), n_claimed


def _interval(values: list[float]) -> tuple[float, float]:
    told = [one for one in values if one == one]
    if not told:
        return float("nan"), float("nan")
    return float(np.percentile(told, 2.5)), float(np.percentile(told, 97.5))


def _edges(model: Model, pairs: Pairs, specimen: Specimen, settings: DiscoverSettings) -> _Items:
    found = discover(model, pairs, settings)
    exists = found.graph.exists.numpy()
    values = found.by_pair[:, exists]
    planted = found.graph.mask(specimen.circuit).numpy()[exists]
    return _Items("edges", len(values), lambda rows: np.abs(values[rows].mean(0, dtype=np.float64)), planted)


def _components(model: Model, pairs: Pairs, graph: EdgeGraph, specimen: Specimen, method: str) -> _Items:
    """Heads and MLPs by noising: what is needed; an MLP by the part of the prompt where it is needed most."""
    found: list[Any] = [
        _changes(model, pairs, PatchSettings(kind=kind, way="noising", method=method)) for kind in ("heads", "mlp_out")
    ]

    def scored(rows: ndarray) -> ndarray:
        heads, mlps = (
            np.zeros(shape) if changes is None else np.abs(np.nan_to_num(np.nansum(changes[rows], 0) / len(rows)))
            for changes, shape in zip(found, ((graph.n_layers, graph.n_heads), (graph.n_layers, 1)), strict=True)
        )
        return np.concatenate([heads, mlps.max(1, keepdims=True)], axis=1).ravel()

    nodes = set(graph.nodes(graph.mask(specimen.circuit)))
    # The senders behind the input stand in the same order: of each layer the heads, then the MLP.
    planted = np.array([name in nodes for name in graph.senders[1:]])
    return _Items("components", len(pairs), scored, planted)


def _changes(model: Model, pairs: Pairs, settings: PatchSettings) -> Float[ndarray, "pair layer column"] | None:
    try:
        return patch(model, pairs, settings).changes
    except NoEffect:
        # Where nothing differs between the two runs, nothing can be claimed.
        return None
