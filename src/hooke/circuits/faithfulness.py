"""How much of an answer a circuit gives back when every other edge carries what it carried in the corrupted run.

    f(circuit) = (m(circuit) - m(nothing)) / (m(model) - m(nothing))         ratio of means over pairs

The benchmark's two summaries are areas over the share of edges kept, from 0.1 % to all (Mueller et al. 2025, MIB):

    CPR    under f, edges taken by their score: the larger the better, and above 1 where edges that speak against the
           answer are left out
    CMD    of |1 - f|, edges taken by the size of their score: the smaller the better

Half of that axis lies between 50 % and 100 % of the edges, where nobody looks for a circuit; read f at the small
shares first. Edges on no path from the input to the logits are taken out before anything is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.circuits.components import open_components, run_weighted
from hooke.circuits.edge_scores import EdgeScores, chunks, judged, runs_of
from hooke.circuits.edges import EdgeGraph, require_same
from hooke.circuits.pairs import Pairs, require_effect
from hooke.errors import BadRequest
from hooke.findings import Estimate, Finding, estimate, estimate_ratio
from hooke.models.model import Model

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
ORDERS = ("size", "score")


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metric of every circuit on every pair, and at both ends."""

    circuits: Float[ndarray, "circuit pair"]
    clean: Float[ndarray, " pair"]
    corrupted: Float[ndarray, " pair"]

    def faithfulness(self, circuit: int, *, seed: int) -> Estimate:
        """f of one circuit, with its interval over pairs."""
        parts, wholes = self.circuits[circuit] - self.corrupted, self.clean - self.corrupted
        return estimate_ratio(parts, wholes, generator=np.random.default_rng(seed))


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A circuit of so many edges."""

    share: float
    """How many edges were asked for, of all."""
    n_asked: int
    """That share as a count."""
    n_edges: int
    """How many are left once those on no path are taken out."""
    n_nodes: int
    """How many components they touch."""
    faithfulness: Estimate
    """f."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """Circuits of growing size."""

    method: str
    """Where the scores come from."""
    order: str
    """size or score."""
    points: tuple[Point, ...]
    """By share."""
    metrics: Metrics
    """The metric on every pair: of these circuits, clean and corrupted."""
    seed: int
    """Seed of the intervals."""

    @property
    def clean(self) -> Float[ndarray, " pair"]:
        """The metric on the clean prompts."""
        return self.metrics.clean

    @property
    def corrupted(self) -> Float[ndarray, " pair"]:
        """The metric on the corrupted prompts."""
        return self.metrics.corrupted

    @property
    def area(self) -> Estimate:
        """CPR where edges are taken by score, CMD where by size."""
        return self.area_as(self.order)

    def area_as(self, order: str) -> Estimate:
        """The area that sums up curves of this order; random edges have none, so that it can be either of them."""
        metrics, shares = self.metrics, np.array([one.share for one in self.points])

        def area(samples: ndarray) -> ndarray:
            rows = samples.astype(np.int64)
            wholes = (metrics.clean - metrics.corrupted)[rows].sum(-1)
            parts = (metrics.circuits - metrics.corrupted)[:, rows].sum(-1)
            f = parts / wholes
            return np.trapezoid(f if order == "score" else np.abs(1 - f), shares, axis=0)

        places = np.arange(len(metrics.clean), dtype=np.float64)
        return estimate(places, generator=np.random.default_rng(self.seed), statistic=area)


def strongest(
    scores: EdgeScores | Float[ndarray, "receiver sender"], graph: EdgeGraph, n: int, *, order: str = "size"
) -> Bool[Tensor, "receiver sender"]:
    """The n edges of the largest score, or of the largest size of score.

    Raises:
        BadRequest: there is no such order.
    """
    if order not in ORDERS:
        raise BadRequest(f"Edges cannot be taken by '{order}'.", "", f"By: {', '.join(ORDERS)}.")
    values = scores.mean if isinstance(scores, EdgeScores) else scores
    values = np.where(graph.exists.numpy(), np.abs(values) if order == "size" else values, -np.inf)
    chosen = np.argsort(-values, axis=None, kind="stable")[: max(0, min(n, graph.n_edges))]
    found = torch.zeros_like(graph.exists)
    found.view(-1)[torch.from_numpy(chosen)] = True
    return found


def measure(model: Model, pairs: Pairs, circuits: Sequence[Bool[Tensor, "receiver sender"]]) -> Metrics:
    """Run each circuit on each pair, every other edge corrupted.

    Raises:
        UnsupportedModel: see `open_components`.
        HookeError: a run is not finite.
        NoEffect: the model answers both prompts alike, so that there is nothing to share out.
    """
    components = open_components(model)
    found = np.zeros((len(circuits) + 2, len(pairs)))
    for places, some in chunks(pairs, "circuits"):
        runs = runs_of(components, some)
        with torch.no_grad():
            for row, mask in enumerate(circuits):
                final = run_weighted(components, runs.clean_batch, runs.corrupted, mask.float())
                found[row, places] = judged(model, some, final).cpu().numpy()
            for row, run in ((-2, runs.clean), (-1, runs.corrupted)):
                found[row, places] = judged(model, some, run.final).cpu().numpy()
    clean, corrupted = found[-2], found[-1]
    require_effect(clean, corrupted)
    return Metrics(found[:-2], clean, corrupted)


def curve(
    model: Model,
    pairs: Pairs,
    scores: EdgeScores,
    *,
    order: str = "size",
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Curve:
    """Faithfulness of the strongest edges, at growing shares of all edges.

    Take pairs that the scores were not made of.

    Raises:
        UnsupportedModel, HookeError, BadRequest: see `measure` and `strongest`.
    """
    return curves(model, pairs, [(scores, order)], shares=shares, seed=seed)[0]


def curves(
    model: Model,
    pairs: Pairs,
    ranked: Sequence[tuple[EdgeScores, str]],
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> list[Curve]:
    """The curve of each of these scores, taken in its order; the pairs are gone through once.

    Raises:
        UnsupportedModel, HookeError, BadRequest: see `curve`.
    """
    graph = open_components(model).graph
    asked = [round(share * graph.n_edges) for share in shares]
    masks = []
    for scores, order in ranked:
        require_same(graph, scores.graph)
        masks += [graph.connected(strongest(scores, graph, n, order=order)) for n in asked]
    all_metrics = measure(model, pairs, masks)
    found = []
    for at, (scores, order) in enumerate(ranked):
        own = slice(at * len(shares), (at + 1) * len(shares))
        metrics = Metrics(all_metrics.circuits[own], all_metrics.clean, all_metrics.corrupted)
        points = [
            Point(
                share=share,
                n_asked=n,
                n_edges=int(mask.sum()),
                n_nodes=len(graph.nodes(mask)),
                faithfulness=metrics.faithfulness(place, seed=seed),
            )
            for place, (share, n, mask) in enumerate(zip(shares, asked, masks[own], strict=True))
        ]
        found.append(Curve(method=scores.method, order=order, points=tuple(points), metrics=metrics, seed=seed))
    return found


def circuit_finding(
    model: Model,
    pairs: Pairs,
    kept: Bool[Tensor, "receiver sender"],
    *,
    seed: int = 0,
) -> Finding:
    """What the edges of one circuit give back of the answer, beside as many random edges of the same model.

    Raises:
        BadRequest: no edge lies on a path from the input to the logits.
        UnsupportedModel, HookeError: see `measure`.
    """
    graph = open_components(model).graph
    n = int(kept.sum())
    drawn = np.random.default_rng(seed).standard_normal(tuple(graph.exists.shape))
    own, control = graph.connected(kept), graph.connected(strongest(drawn, graph, n))
    if not own.any():
        raise BadRequest("The circuit leads nowhere.", "None of its edges lies on a path from input to logits.", "")
    metrics = measure(model, pairs, [own, control])
    found, beside = (metrics.faithfulness(at, seed=seed) for at in range(2))
    return Finding(
        claim=f"A circuit of {n} edges gives back the answer",
        value=found.value,
        interval=found.interval,
        n=len(pairs),
        control=beside.value,
        control_interval=beside.interval,
        control_name="as many random edges",
        method="share of the metric between corrupted and clean runs, every other edge corrupted",
        seed=seed,
    )


def stability(scores: EdgeScores, n: int, *, seed: int = 0, n_resamples: int = 50) -> Finding:
    """How alike the n strongest edges are when the pairs are drawn anew: Jaccard index of independent resamples.

    The control is what two random sets of as many edges share.

    Raises:
        BadRequest: the scores are of the set as a whole, so that there is nothing to resample.
    """
    if len(scores.by_pair) < 2:
        raise BadRequest(
            f"Scores of {scores.method} cannot be resampled.", "There is one for the whole set.", "Compare seeds."
        )
    generator, n_pairs = np.random.default_rng(seed), len(scores.by_pair)
    there = scores.by_pair[:, scores.graph.exists.numpy()]
    drawn = [there[generator.integers(0, n_pairs, n_pairs)].mean(0) for _ in range(n_resamples)]
    chosen = [set(np.argsort(-np.abs(one), kind="stable")[:n].tolist()) for one in drawn]
    found = [len(a & b) / len(a | b) for a, b in zip(chosen[::2], chosen[1::2], strict=False)]
    size = min(n, scores.graph.n_edges)
    return Finding(
        claim=f"The {size} strongest edges of {scores.method} return when the pairs are drawn anew",
        value=float(np.mean(found)),
        interval=(float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5))),
        n=len(found),
        control=size / (2 * scores.graph.n_edges - size),
        control_name="two random sets of as many edges",
        method="Jaccard index of bootstrap resamples of the pairs, mean and 95 % of the draws",
        seed=seed,
    )
