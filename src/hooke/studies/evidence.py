"""What every study measures on a set of pairs: where the answer is carried, by which heads, along which edges.

Heads and edges are found on a first set of pairs and tried on a second, other prompts or other words. Two witnesses
that know nothing of each other speak about the heads: patching (a head's output taken from the other prompt) and edges
(EAP-IG, what each component reads of each other one); where they differ, a finding says how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from hooke.circuits.components import open_components
from hooke.circuits.discover import random_scores
from hooke.circuits.edge_scores import EdgeScores, eap_ig_inputs
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.faithfulness import Curve, Metrics, Point, curve, measure, strongest
from hooke.circuits.pairs import Pairs
from hooke.circuits.patch import Patching, PatchSettings, cell_findings, patch
from hooke.circuits.places import PARTS
from hooke.findings import Finding, bootstrap_interval, estimate, estimate_ratio
from hooke.models.model import Model, Tokens
from hooke.studies.graphs import GraphEvidence

N_HEADS = 4
"""Heads that are tried one by one and together."""
_COMPARED = 8
"""Heads that the two witnesses are compared by."""
_DRAWS = 3
"""Sets of random heads."""
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
ENOUGH = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What a study found, and what its pictures are drawn of."""

    name: str
    findings: tuple[Finding, ...]
    """In the order of the argument."""
    stream: Patching
    """Which part of the prompt holds the answer behind which layer; on the second set."""
    heads: Patching
    """First-order estimates of every head, on the first set."""
    edges: EdgeScores
    """On the first set."""
    curve: Curve
    """What the strongest edges give back, on the second set."""
    control: Curve
    """The same with random edges, for the circuits of which findings speak."""
    graphs: GraphEvidence | None = None
    """What attribution graphs of all prompts say; None where none were traced."""

    @property
    def handed_over(self) -> int:
        """The first layer behind which the last token holds more of the answer than the changed tokens."""
        return handed_over(self.stream.effects)

    def with_more(self, *findings: Finding) -> "Evidence":
        """The same, and what else was found."""
        return replace(self, findings=(*self.findings, *findings))

    def with_graphs(self, graphs: GraphEvidence) -> "Evidence":
        """The same, and what graphs say."""
        return replace(self.with_more(*graphs.findings), graphs=graphs)

    @property
    def circuit(self) -> Bool[Tensor, "receiver sender"]:
        """The edges of the smallest circuit on the curve that gives back four fifths of the answer."""
        graph, points = self.edges.graph, self.curve.points
        n = next((one.n_asked for one in points if one.faithfulness.value >= ENOUGH), points[-1].n_asked)
        return graph.connected(strongest(self.edges, graph, n))


def gather(model: Model, name: str, first: Pairs, second: Pairs, *, seed: int = 0) -> Evidence:
    """All of it; the first set finds, the second one tries.

    Raises:
        UnsupportedModel: the model cannot be run component by component.
        HookeError: a run is not finite, or the model answers both prompts of the pairs alike.
    """
    stream = patch(model, second, PatchSettings(seed=seed))
    heads = patch(model, first, PatchSettings(kind="heads", way="noising", method="attribution", seed=seed))
    chosen = heads.strongest(N_HEADS)
    edges = eap_ig_inputs(model, first)
    tried = curve(model, second, edges, shares=SHARES, seed=seed)
    told = _told(tried)
    control = curve(model, second, random_scores(model, seed=seed), shares=[one.share for one in told], seed=seed)
    findings = [said_first(model, second, seed=seed), preferred(stream, seed=seed)]
    moved = handed_over(stream.effects)
    carried = [(max(0, moved - 1), PARTS.index("last changed")), (moved, PARTS.index("last token"))]
    findings += cell_findings(model, second, stream, carried)
    for way in ("denoising", "noising"):
        settings = PatchSettings(kind="heads", way=way, seed=seed)
        findings += cell_findings(model, second, patch(model, second, settings, cells=chosen), chosen)
    findings += [
        together(model, second, chosen, seed=seed),
        *_given_back(told, control, edges.graph.n_edges, seed),
        agreement(heads, edges, seed=seed),
    ]
    return Evidence(
        name=name, findings=tuple(findings), stream=stream, heads=heads, edges=edges, curve=tried, control=control
    )


def halves(pairs: Pairs, *, seed: int = 0) -> tuple[Pairs, Pairs]:
    """Two sets drawn by the seed."""
    rows = np.random.default_rng(seed).permutation(len(pairs))
    first, second = (pairs.some(sorted(half.tolist())) for half in np.array_split(rows, 2))
    return first, second


def by_group(pairs: Pairs, group: str) -> tuple[Pairs, Pairs]:
    """The pairs of a group, and all others."""
    rows = range(len(pairs))
    own = [at for at in rows if pairs.pairs[at].group == group]
    return pairs.some(own), pairs.some([at for at in rows if at not in own])


def said_first(model: Model, pairs: Pairs, *, about: str = "", seed: int = 0) -> Finding:
    """How often an answer comes first of all tokens; the control is the same answer behind the other prompt."""
    places = list({pair.clean: at for at, pair in enumerate(pairs.pairs)}.values())
    own, other = (
        [float(token in pairs.answers[at]) for at, token in zip(places, _greedy(model, some, places), strict=True)]
        for some in (pairs.clean, pairs.corrupted)
    )
    generator = np.random.default_rng(seed)
    return Finding(
        claim=f"A right answer comes first of all tokens{about and ', '}{about}",
        value=float(np.mean(own)),
        interval=bootstrap_interval(own, generator=generator),
        n=len(own),
        control=float(np.mean(other)),
        control_interval=bootstrap_interval(other, generator=generator),
        control_name="the same answers behind the corrupted prompts",
        method="greedy next token",
        seed=seed,
    )


def _greedy(model: Model, tokens: Tokens, places: Sequence[int]) -> list[int]:
    found = []
    for at in places:
        n = int(tokens.lengths[at])
        logits = model.run(Tokens(tokens.ids[at : at + 1, :n], tokens.mask[at : at + 1, :n])).logits
        assert logits is not None
        found.append(int(logits[0, -1].argmax()))
    return found


def preferred(stream: Patching, *, seed: int = 0) -> Finding:
    """How often the clean prompt prefers its answer to the wrong one, beside the corrupted prompts."""
    own, other = (stream.other > 0).astype(float), (stream.base > 0).astype(float)
    generator = np.random.default_rng(seed)
    return Finding(
        claim="The clean prompt's answer is preferred to the other one",
        value=float(own.mean()),
        interval=bootstrap_interval(own, generator=generator),
        n=len(own),
        control=float(other.mean()),
        control_interval=bootstrap_interval(other, generator=generator),
        control_name="behind the corrupted prompts",
        method="sign of the metric",
        seed=seed,
    )


def handed_over(effects: Float[ndarray, "layer part"]) -> int:
    """The first layer behind which the last token holds more of the answer than the changed tokens."""
    last, changed = (np.nan_to_num(effects[:, PARTS.index(part)]) for part in ("last token", "last changed"))
    return int(np.argmax(last > changed))


def together(model: Model, pairs: Pairs, heads: Sequence[tuple[int, int]], *, seed: int = 0) -> Finding:
    """What is lost when all of some heads write what they write on the corrupted prompt, beside random heads.

    Raises:
        HookeError: see `hooke.circuits.faithfulness.measure`.
    """
    graph = open_components(model).graph
    generator = np.random.default_rng(seed)
    every = [(layer, head) for layer in range(graph.n_layers) for head in range(graph.n_heads)]
    others = [one for one in every if one not in set(heads)]
    draws = [
        [others[at] for at in generator.choice(len(others), size=min(len(heads), len(others)), replace=False)]
        for _ in range(_DRAWS)
    ]
    metrics = measure(model, pairs, [_without(graph, some) for some in (list(heads), *draws)])
    wholes = metrics.clean - metrics.corrupted
    own = estimate_ratio(metrics.clean - metrics.circuits[0], wholes, generator=generator)
    beside = estimate_ratio(metrics.clean - metrics.circuits[1:].mean(0), wholes, generator=generator)
    names = ", ".join(f"{layer}.{head}" for layer, head in heads)
    return Finding(
        claim=f"Lost without heads {names} together",
        value=own.value,
        interval=own.interval,
        n=len(pairs),
        control=beside.value,
        control_interval=beside.interval,
        control_name=f"as many random heads, mean of {_DRAWS} draws",
        method="heads write what they write on the corrupted prompt; share of the metric, ratio of means",
        seed=seed,
    )


def _without(graph: EdgeGraph, heads: Sequence[tuple[int, int]]) -> Bool[Tensor, "receiver sender"]:
    kept = graph.exists.clone()
    for layer, head in heads:
        kept[:, graph.heads(layer).start + head] = False
    return kept


def _told(tried: Curve) -> list[Point]:
    """The circuit of a hundredth of the edges, and the smallest with four fifths of the answer, else the largest."""
    points = tried.points
    enough = next((one for one in points if one.faithfulness.value >= ENOUGH), points[-1])
    hundredth = points[SHARES.index(0.01)]
    return [hundredth] if enough is hundredth else sorted([enough, hundredth], key=lambda one: one.share)


def _given_back(told: Sequence[Point], control: Curve, n_edges: int, seed: int) -> list[Finding]:
    return [
        Finding(
            claim=f"Given back by {point.n_edges:,} of {n_edges:,} edges alone ({point.share:.1%} asked for)",
            value=point.faithfulness.value,
            interval=point.faithfulness.interval,
            n=len(control.clean),
            control=beside.faithfulness.value,
            control_interval=beside.faithfulness.interval,
            control_name="as many random edges",
            method="every other edge corrupted; edges by EAP-IG on other pairs",
            seed=seed,
        )
        for point, beside in zip(told, control.points, strict=True)
    ]


def agreement(heads: Patching, edges: EdgeScores, *, seed: int = 0) -> Finding:
    """How many of the strongest heads the two witnesses share, as a Jaccard index, beside two random sets."""
    graph = edges.graph
    columns = [graph.heads(layer).start + head for layer in range(graph.n_layers) for head in range(graph.n_heads)]
    patched = np.nan_to_num(heads.changes).reshape(len(heads.changes), -1)
    # To first order, what a head does is what all that read it get from it.
    read = edges.by_pair[:, :, columns].sum(1)
    n = min(_COMPARED, len(columns))

    def jaccard(samples: ndarray) -> ndarray:
        rows = samples.astype(np.int64)
        top = [[set(np.argsort(-np.abs(one[some].mean(0)))[:n]) for one in (patched, read)] for some in rows]
        return np.array([len(a & b) / len(a | b) for a, b in top])

    generator = np.random.default_rng(seed)
    found = estimate(np.arange(len(patched), dtype=np.float64), generator=generator, statistic=jaccard)
    drawn = [
        set(generator.choice(len(columns), n, replace=False)) & set(generator.choice(len(columns), n, replace=False))
        for _ in range(200)
    ]
    control = np.array([len(both) / (2 * n - len(both)) for both in drawn])
    return Finding(
        claim=f"Of the {n} strongest heads, patching and edges name the same",
        value=found.value,
        interval=found.interval,
        n=len(patched),
        control=float(control.mean()),
        control_interval=(float(np.percentile(control, 2.5)), float(np.percentile(control, 97.5))),
        control_name="two random sets of as many heads",
        method="Jaccard index of the heads by attribution patching and by what EAP-IG says is read of them",
        seed=seed,
    )


def transfer(model: Model, evidence: Evidence, pairs: Pairs, about: str, *, seed: int = 0) -> Finding:
    """What the circuit that was found gives back on pairs of another kind, beside as many random edges."""
    graph = evidence.edges.graph
    kept = evidence.circuit
    drawn = np.random.default_rng(seed).standard_normal(tuple(graph.exists.shape))
    control = graph.connected(strongest(drawn, graph, int(kept.sum())))
    metrics: Metrics = measure(model, pairs, [kept, control])
    own, beside = (metrics.faithfulness(at, seed=seed) for at in range(2))
    return Finding(
        claim=f"Given back by the same circuit {about}",
        value=own.value,
        interval=own.interval,
        n=len(pairs),
        control=beside.value,
        control_interval=beside.interval,
        control_name="as many random edges",
        method="every other edge corrupted",
        seed=seed,
    )
