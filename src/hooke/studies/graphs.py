"""What the attribution graphs of all prompts of a study say, beside what patching says of the same pairs.

Every clean and every corrupted prompt has its graph, of neurons. The circuit is named on the clean graphs of the first
set; how much it holds is told on those of the second set, and its neurons are taken out there in the model itself.
Graphs explain a logit difference, so the metric here is that one, whatever the study's own is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.aggregate import (
    Difference,
    Key,
    Place,
    Recurring,
    aggregate,
    difference,
    key_sizes,
    largest_by_luck,
)
from hooke.circuits.graph import TraceSettings
from hooke.circuits.pairs import Pairs
from hooke.circuits.patch import Patching, PatchSettings, patch
from hooke.circuits.places import PARTS
from hooke.circuits.prune import subgraph
from hooke.circuits.validate import rank_correlation
from hooke.findings import Finding, bootstrap_interval, estimate
from hooke.models.model import Model
from hooke.studies.graph_circuit import NamedCircuit, member_ids, named_circuit, own_members
from hooke.studies.graph_sets import SETTINGS, GraphSet, overlap, trace_set
from hooke.studies.graph_trial import lost
from hooke.text.pairs import PromptPair

N_COMPARED = 50
"""Strongest features that sets of graphs are compared by."""
_N_OTHERS = 10
"""Prompts in other words, and of another study, of each so many are traced."""
_SHUFFLES = 200
_SMALL = 0.02
_LUCK = 0.05
_CELLS = 8
"""Strongest roles that graphs and patching are compared by, one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphEvidence:
    """What the graphs of a study say."""

    settings: TraceSettings
    n_graphs: int
    refused: tuple[str, ...]
    """Why each prompt that has no graph has none."""
    features: tuple[Recurring, ...]
    """Features and tokens at their part over all clean prompts, the largest share of influence first."""
    roles: tuple[Recurring, ...]
    """The same by layer and part alone."""
    role_edges: tuple[Recurring, ...]
    """Edges between them."""
    feature_differences: tuple[Difference, ...]
    """Clean beside corrupted prompts, the largest difference first."""
    role_differences: tuple[Difference, ...]
    influence: Float[ndarray, "layer part"]
    """Mean share of the neurons' influence by role, over the clean prompts; NaN where no prompt has the part."""
    patched: Float[ndarray, "layer part"]
    """What the MLP's output at a role brings to the answer, estimated by patching all pairs."""
    circuit: NamedCircuit
    findings: tuple[Finding, ...]

    def only_graphs(self) -> list[str]:
        """Of the strongest roles in graphs, those that are not in the upper half by patching."""
        return _one_sided(self.influence, self.patched)

    def only_patching(self) -> list[str]:
        """Of the strongest roles by patching, those that are not in the upper half in graphs."""
        return _one_sided(self.patched, self.influence)


def graph_evidence(
    model: Model,
    first: Pairs,
    second: Pairs,
    handed_over: int,
    *,
    unrelated: Pairs,
    others: Mapping[str, Pairs] | None = None,
    seed: int = 0,
    settings: TraceSettings = SETTINGS,
) -> GraphEvidence:
    """Trace every prompt of both sets, name the circuit on the first and try it on the second.

    Args:
        handed_over: the layer in which the answer comes to the last token.
        unrelated: prompts of another study, whose graphs are the control of likeness.
        others: by what they are, pairs in other words that the circuit is tried on too.

    Raises:
        TooFewGraphs: too few prompts of a set could be traced.
        UnsupportedModel: the model cannot be traced.
        HookeError: a run is not finite, or graphs have no circuit in common.
    """
    first, second, unrelated = (replace(one, metric="logit") for one in (first, second, unrelated))
    kinds = {name: replace(pairs, metric="logit") for name, pairs in (others or {}).items()}
    clean = [trace_set(model, pairs, settings=settings) for pairs in (first, second)]
    corrupted = [trace_set(model, pairs, clean=False, settings=settings) for pairs in (first, second)]
    foreign = trace_set(model, _some(unrelated), settings=settings)
    every, against = (_joined(sets, len(first)) for sets in (clean, corrupted))
    circuit = named_circuit(clean[0], handed_over, seed=seed)
    one, other = _conditions(every, against, (*first.pairs, *second.pairs))
    by_part, by_role = _gaps(one, other, "part", seed), _gaps(one, other, "role", seed)
    findings = _account(clean[1], foreign, circuit, seed)
    findings.append(_alike("the two sets of prompts", clean[0], clean[1], foreign, seed))
    for name, pairs in kinds.items():
        graphs = trace_set(model, _some(pairs), settings=settings)
        findings.append(_alike(f"the first set and those {name}", clean[0], graphs, foreign, seed))
    findings.append(_largest(by_part, "features", len(one) + len(other), seed))
    findings.append(_largest(by_role, "roles", len(one) + len(other), seed))
    findings += _taken_out(model, second, kinds, circuit, clean[1], seed)
    patchings = [_patched(model, pairs, seed) for pairs in (first, second)]
    influence = _by_role(every, model.n_layers)
    changes = _changes(patchings)
    findings.append(same_order(influence, changes[list(every.rows)], seed=seed))
    return GraphEvidence(
        settings=settings,
        n_graphs=len(every) + len(against),
        refused=(*every.refused, *against.refused),
        features=tuple(aggregate(every.graphs, place="part", parts=every.parts, seed=seed)),
        roles=tuple(aggregate(every.graphs, place="role", parts=every.parts, seed=seed)),
        role_edges=tuple(aggregate(every.graphs, edges=True, place="role", parts=every.parts, seed=seed)),
        feature_differences=tuple(by_part.found),
        role_differences=tuple(by_role.found),
        influence=_mean(influence),
        patched=_mean(changes),
        circuit=circuit,
        findings=tuple(findings),
    )


def _taken_out(
    model: Model, pairs: Pairs, kinds: Mapping[str, Pairs], circuit: NamedCircuit, graphs: GraphSet, seed: int
) -> list[Finding]:
    """What is lost without the circuit's neurons, and without the strongest of each prompt's own graph."""
    said = f"Lost without the {len(circuit.members)} neurons of the graphs' circuit"
    traced = pairs.some(graphs.rows)
    own = [own_members(graph, parts) for graph, parts in zip(graphs.graphs, graphs.parts, strict=True)]
    own_said = f"Lost without the {max(map(len, own))} strongest neurons of each prompt's own graph"
    found = []
    for corrupted in (False, True):
        found.append(lost(model, pairs, [circuit.members] * len(pairs), said, corrupted=corrupted, seed=seed))
        found.append(lost(model, traced, own, own_said, corrupted=corrupted, seed=seed))
    return found + [
        lost(model, some, [circuit.members] * len(some), f"{said} {name}", corrupted=True, seed=seed)
        for name, some in kinds.items()
    ]


def _conditions(clean: GraphSet, corrupted: GraphSet, pairs: Sequence[PromptPair]) -> tuple[GraphSet, GraphSet]:
    """The graphs of both conditions, without the pairs whose mirror image came before: they would be in both."""
    seen: set[tuple[str, str]] = set()
    kept = set()
    for row, pair in enumerate(pairs):
        if (pair.corrupted, pair.clean) not in seen:
            seen.add((pair.clean, pair.corrupted))
            kept.add(row)
    first, second = (one.some([at for at, row in enumerate(one.rows) if row in kept]) for one in (clean, corrupted))
    return first, second


@dataclass(frozen=True, slots=True)
class _Gaps:
    """What sets the conditions apart, without words: in those they were made to differ."""

    found: list[Difference]
    luck: Float[ndarray, " shuffle"]
    """The largest difference of sets that are shuffled."""


def _gaps(every: GraphSet, against: GraphSet, place: Place, seed: int) -> _Gaps:
    graphs, parts = (*every.graphs, *against.graphs), (*every.parts, *against.parts)
    keys, _, sizes = key_sizes(graphs, place=place, parts=parts)
    neurons = sizes[:, [at for at, key in enumerate(keys) if _is_neuron(key)]]
    luck = largest_by_luck(neurons, len(every), np.random.default_rng(seed))
    found = [
        replace(one, chance=float((1 + (luck >= abs(one.first - one.second)).sum()) / (1 + len(luck))))
        for one in difference(every.graphs, against.graphs, place=place, parts=parts, seed=seed)
        if _is_neuron(one.key)
    ]
    return _Gaps(found, luck)


def _is_neuron(key: Key) -> bool:
    return not key[0].startswith(("token", "logit", "rest"))


def _some(pairs: Pairs) -> Pairs:
    """A few of the pairs, from all over the set."""
    return pairs.some(sorted({int(at) for at in np.linspace(0, len(pairs) - 1, _N_OTHERS)}))


def _joined(sets: Sequence[GraphSet], n_first: int) -> GraphSet:
    """Graphs of both sets of pairs; the second set's pairs are numbered on."""
    one, other = sets
    return GraphSet(
        graphs=(*one.graphs, *other.graphs),
        parts=(*one.parts, *other.parts),
        rows=(*one.rows, *(n_first + row for row in other.rows)),
        refused=(*one.refused, *other.refused),
    )


def _account(graphs: GraphSet, foreign: GraphSet, circuit: NamedCircuit, seed: int) -> list[Finding]:
    """How much the graphs explain, how much of it the circuit holds, and how much it explains alone."""
    small = [
        subgraph(graph, member_ids(circuit.groups, graph, parts)).measures
        for graph, parts in zip(graphs.graphs, graphs.parts, strict=True)
    ]
    whole = [graph.measures for graph in graphs.graphs]
    said = f"the {len(circuit.members)} neurons of the circuit"
    rows = [
        ("Completeness of the graphs", whole, "completeness_corrected"),
        (f"Completeness of {said} alone", small, "completeness_corrected"),
        (f"Replacement of {said} alone", small, "replacement_corrected"),
    ]
    shared = _finding(
        "Influence of neurons before the first changed token, where both prompts are the same",
        _by_part(graphs, "before"),
        _by_part(foreign, "before"),
        "the same in graphs of another study's prompts",
        "share of the influence of all neurons; clean prompts of the second set",
        seed,
    )
    found = [
        _finding(
            claim,
            [one[name] for one in measures],
            [one[f"{name}_null"] for one in measures],
            "the same prompts without any feature",
            "by the graph's own account, what is left out counted as unexplained; clean prompts of the second set",
            seed,
        )
        for claim, measures, name in rows
    ]
    held = _finding(
        f"Influence that {said} hold",
        _held(graphs, circuit),
        _held(foreign, circuit),
        "the same in graphs of another study's prompts",
        "share of the influence of all features with rows; circuit of the first set, clean prompts of the second",
        seed,
    )
    return [found[0], shared, held, *found[1:]]


def _by_part(graphs: GraphSet, part: str) -> list[float]:
    keys, _, sizes = key_sizes(graphs.graphs, place="role", parts=graphs.parts)
    there = [at for at, (name,) in enumerate(keys) if name.startswith("layer") and name.endswith(f"@{part}")]
    return sizes[:, there].sum(1).tolist()


def _held(graphs: GraphSet, circuit: NamedCircuit) -> list[float]:
    own = {f"{one.layer}/{one.index}@{one.part}" for one in circuit.members}
    keys, _, sizes = key_sizes(graphs.graphs, place="part", parts=graphs.parts)
    return sizes[:, [at for at, key in enumerate(keys) if key[0] in own]].sum(1).tolist()


def _finding(claim: str, own: Sequence[float], other: Sequence[float], control: str, method: str, seed: int) -> Finding:
    generator = np.random.default_rng(seed)
    return Finding(
        claim=claim,
        value=float(np.mean(own)),
        interval=bootstrap_interval(own, generator=generator),
        n=len(own),
        control=float(np.mean(other)),
        control_interval=bootstrap_interval(other, generator=generator),
        control_name=control,
        method=method,
        seed=seed,
    )


def _alike(about: str, first: GraphSet, second: GraphSet, foreign: GraphSet, seed: int) -> Finding:
    generator = np.random.default_rng(seed)
    value, control = (overlap(first, _few(one), N_COMPARED, generator=generator) for one in (second, foreign))
    return Finding(
        claim=f"Of the {N_COMPARED} strongest features, graphs of {about} share",
        value=value.value,
        interval=value.interval,
        n=len(first) + len(_few(second)),
        control=control.value,
        control_interval=control.interval,
        control_name="with graphs of another study's prompts",
        method="Jaccard index of the features by mean share of influence; resampled over graphs of both sets",
        seed=seed,
    )


def _few(graphs: GraphSet) -> GraphSet:
    """As many graphs as there are of foreign prompts, so that both comparisons are of as many."""
    return graphs.some(range(min(_N_OTHERS, len(graphs))))


def _largest(gaps: _Gaps, kind: str, n: int, seed: int) -> Finding:
    """The largest difference between the conditions, beside the largest of shuffled sets."""
    top, luck = gaps.found[0], gaps.luck
    sign = 1 if top.first >= top.second else -1
    low, high = sorted(sign * end for end in top.interval)
    sure = sum(one.chance < _LUCK for one in gaps.found)
    return Finding(
        claim=f"Largest difference of {kind} between clean and corrupted prompts, at {top.key[0]}",
        value=sign * (top.first - top.second),
        interval=(low, high),
        n=n,
        control=float(np.median(luck)),
        control_interval=(float(np.percentile(luck, 2.5)), float(np.percentile(luck, 97.5))),
        control_name="the largest of sets that are shuffled",
        method=f"share of influence; {sure} of {len(gaps.found):,} {kind} differ beyond 95 % of shuffles",
        seed=seed,
    )


def _by_role(graphs: GraphSet, n_layers: int) -> Float[ndarray, "graph layer part"]:
    """Share of the neurons' influence by layer and part, with neurons that got no rows; NaN where the part is not."""
    keys, _, sizes = key_sizes(graphs.graphs, place="role", parts=graphs.parts)
    found = np.full((len(graphs), n_layers, len(PARTS)), np.nan)
    for number, places in enumerate(graphs.parts):
        found[number][:, [PARTS.index(part) for part in set(places)]] = 0.0
    for at, (name,) in enumerate(keys):
        layer, _, part = name.removeprefix("layer ").partition("@")
        if name.startswith("layer "):
            column = found[:, int(layer), PARTS.index(part)]
            column[~np.isnan(column)] = sizes[~np.isnan(column), at]
    return found


def _patched(model: Model, pairs: Pairs, seed: int) -> Patching:
    return patch(model, pairs, PatchSettings(kind="mlp_out", way="noising", method="attribution", seed=seed))


def _changes(patchings: Sequence[Patching]) -> Float[ndarray, "pair layer part"]:
    return np.concatenate([one.changes / (one.other - one.base).mean() for one in patchings])


def _mean(values: Float[ndarray, "n layer part"]) -> Float[ndarray, "layer part"]:
    """Over those that have the part; NaN where none has."""
    is_there = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(is_there, values, 0).sum(0) / is_there.sum(0)


def same_order(
    influence: Float[ndarray, "pair layer part"], changes: Float[ndarray, "pair layer part"], *, seed: int = 0
) -> Finding:
    """Whether graphs and patching put MLPs in the same order, by layer and part; beside roles that are shuffled.

    What comes before the change is left out: both prompts are the same there, and patching sees nothing.
    """
    kept = ~np.isnan(_mean(influence)) & ~np.isnan(_mean(changes))
    kept[:, PARTS.index("before")] = False

    def correlation(samples: ndarray) -> ndarray:
        rows = samples.astype(np.int64)
        tables = (
            (np.nan_to_num(_mean(influence[some]))[kept], np.nan_to_num(_mean(changes[some]))[kept]) for some in rows
        )
        return np.array([float(rank_correlation(one, np.abs(other))) for one, other in tables])

    generator = np.random.default_rng(seed)
    found = estimate(np.arange(len(influence), dtype=np.float64), generator=generator, statistic=correlation)
    one, other = _mean(influence)[kept], np.abs(_mean(changes)[kept])
    shuffled = np.array([float(rank_correlation(generator.permutation(one), other)) for _ in range(_SHUFFLES)])
    return Finding(
        claim="Graphs and patching put the MLPs, by layer and part, in the same order",
        value=found.value,
        interval=found.interval,
        n=len(influence),
        control=float(shuffled.mean()),
        control_interval=(float(np.percentile(shuffled, 2.5)), float(np.percentile(shuffled, 97.5))),
        control_name="roles shuffled",
        method="Spearman over roles behind the first change; influence in graphs, attribution patching of MLP outputs",
        seed=seed,
    )


def _one_sided(strong: Float[ndarray, "layer part"], other: Float[ndarray, "layer part"]) -> list[str]:
    sizes, there = (np.abs(np.nan_to_num(one)) for one in (strong, other))
    kept = ~np.isnan(strong) & ~np.isnan(other)
    half = np.median(there[kept])
    sizes = np.where(kept & (sizes > _SMALL * sizes[kept].max()), sizes, -1)
    order = [at for at in np.argsort(-sizes, axis=None, kind="stable")[:_CELLS] if sizes.flat[at] >= 0]
    cells = [tuple(map(int, np.unravel_index(at, sizes.shape))) for at in order]
    return [f"layer {layer}, {PARTS[part]}" for layer, part in cells if there[layer, part] < half]
