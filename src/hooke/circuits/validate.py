"""What a graph claims, tested on the model itself: features ablated one by one, beside matched random ones.

The graph is exact about a model whose attention and norms are frozen. Whether that says anything of the model is an
empirical question, and this is the measurement: predicted effects against real ones, the strongest features against
features of the same layer and position with a like activation that the graph did not pick.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from hooke.circuits.downstream import BANDS, Downstream, downstream
from hooke.circuits.frozen import freeze
from hooke.circuits.graph import Graph, Node
from hooke.circuits.intervene import target_values
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.findings import Finding, bootstrap_interval
from hooke.models.model import Model

N_STRONGEST, N_RANDOM, N_CONTROLS = 40, 60, 20
N_RANKED = 40
"""Features that are ablated to say, when a graph is made, how well its predicted effects rank them."""
N_NEAREST = 20
"""Controls are drawn among so many features of the place whose activations are nearest."""


def validate(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    *,
    n_strongest: int = N_STRONGEST,
    n_random: int = N_RANDOM,
    seed: int = 0,
) -> Graph:
    """The graph with findings: how its predicted effects agree with real ablations, and what controls do.

    Ablated are the features of the largest predicted effect and random others of the graph, one at a time; then, at
    the place of each of the strongest, features drawn among those of like activation (neurons only: transcoders have
    too few active features at a place). What the strongest do to features further on is measured too.

    Raises:
        BadRequest: see `target_values`; or the graph has fewer than three features with a predicted effect.
    """
    generator = np.random.default_rng(seed)
    strongest, drawn = _sample(graph, n_strongest, n_random, generator)
    chosen = [*strongest, *drawn]
    controls = matched_controls(graph, model, strongest, generator)
    values = target_values(graph, model, dictionary, [(), *([(node, 0.0)] for node in [*chosen, *controls])])
    measured = (values[0] - values[1:]).double().numpy()
    predicted, frozen = (np.array([getattr(node, name) for node in chosen]) for name in ("effect", "frozen_effect"))
    on_chosen, on_controls = measured[: len(chosen)], np.abs(measured[len(chosen) :])
    findings = [_agreement("Predicted effects rank", predicted, on_chosen, generator, seed)]
    findings.append(_agreement("Effects in the frozen model alone rank", frozen, on_chosen, generator, seed))
    if len(on_controls):
        findings.append(_strength(np.abs(on_chosen[: len(strongest)]), on_controls, generator, seed))
    behind = downstream(graph, model, dictionary, strongest)
    if (found := _downstream(behind, generator, seed)) is not None:
        findings.append(found)
    measures = graph.measures | {
        "rank_correlation": findings[0].value,
        "downstream": downstream_bands(behind),
        "beats_controls": all(beats(finding) for finding in findings),
    }
    return replace(graph, findings=tuple(findings), measures=measures)


def with_ranks(graph: Graph, model: Model, dictionary: Replacement | str, *, n: int = N_RANKED, seed: int = 0) -> Graph:
    """The graph with the first of these findings alone, of n features: half the strongest, half random others.

    Raises:
        BadRequest: see `validate`.
    """
    generator = np.random.default_rng(seed)
    strongest, drawn = _sample(graph, n - n // 2, n // 2, generator)
    chosen = [*strongest, *drawn]
    values = target_values(graph, model, dictionary, [(), *([(node, 0.0)] for node in chosen)])
    measured = (values[0] - values[1:]).double().numpy()
    finding = _agreement(
        "Predicted effects rank", np.array([node.effect for node in chosen]), measured, generator, seed
    )
    measures = graph.measures | {"rank_correlation": finding.value}
    # One claim that fails is enough to say so; that all hold, only `validate` can say.
    return replace(
        graph, findings=(finding,), measures=measures | ({} if beats(finding) else {"beats_controls": False})
    )


def can_rank(graph: Graph) -> bool:
    """Whether the graph's predicted effects can be ranked: its first target is of tokens, and there are features."""
    is_token = graph.nodes[graph.targets[0]].index is not None
    return is_token and sum(node.kind == "feature" and node.effect is not None for node in graph.nodes) >= 3


def _sample(
    graph: Graph, n_strongest: int, n_random: int, generator: np.random.Generator
) -> tuple[list[Node], list[Node]]:
    """The features of the largest predicted effect, and random others."""
    features = [node for node in graph.nodes if node.kind == "feature" and node.effect is not None]
    if len(features) < 3:
        raise BadRequest("There is too little to validate.", f"The graph has {len(features)} features.", "")
    order = sorted(range(len(features)), key=lambda at: -abs(features[at].effect or 0.0))
    others = np.array(order[n_strongest:], dtype=int)
    drawn = generator.permutation(others)[:n_random].tolist()
    return [features[at] for at in order[:n_strongest]], [features[at] for at in drawn]


def beats(finding: Finding) -> bool:
    """Whether the interval of a finding lies above its control's."""
    return finding.control_interval is None or finding.interval[0] > finding.control_interval[1]


def matched_controls(graph: Graph, model: Model, nodes: Sequence[Node], generator: np.random.Generator) -> list[Node]:
    """For each node, a neuron of its layer and position with a like activation that the graph did not expand."""
    return [near[int(generator.integers(len(near)))] for near in matched_neurons(graph, model, nodes) if near]


def matched_neurons(
    graph: Graph, model: Model, nodes: Sequence[Node], *, at_most: int = N_NEAREST
) -> list[tuple[Node, ...]]:
    """For each node, the neurons of its place that the graph did not expand, those of the likest activation first.

    Runs the model once; of transcoders there are none.
    """
    if graph.dictionary != "neurons":
        return [()] * len(nodes)
    with torch.no_grad():
        frozen = freeze(model, torch.tensor([graph.token_ids]))
    taken = {(node.layer, node.position, node.index) for node in graph.nodes if node.kind == "feature"}
    found = []
    for node in nodes:
        assert node.layer is not None
        hidden = frozen.blocks[node.layer].neurons
        assert hidden is not None
        here = hidden[node.position]
        distance = (here.abs() - (node.activation or 0.0)).abs()
        near: list[Node] = []
        for unit in distance.argsort().tolist():
            index = unit if here[unit] >= 0 else unit + len(here)
            if (node.layer, node.position, index) not in taken:
                activation = abs(float(here[unit]))
                like = Node(
                    kind="feature", layer=node.layer, position=node.position, index=index, activation=activation
                )
                near.append(like)
            if len(near) == at_most:
                break
        found.append(tuple(near))
    return found


def rank_correlation(one: Float[ndarray, "*n m"], other: Float[ndarray, "*n m"]) -> Float[ndarray, "*n"]:
    """Spearman's correlation along the last axis. Ties do not occur in measured effects but for exact zeros."""
    ranks = [values.argsort(-1).argsort(-1).astype(float) for values in (one, other)]
    centred = [values - values.mean(-1, keepdims=True) for values in ranks]
    scale = np.sqrt((centred[0] ** 2).sum(-1) * (centred[1] ** 2).sum(-1))
    return np.asarray((centred[0] * centred[1]).sum(-1) / np.maximum(scale, 1e-12))


def _agreement(claim: str, predicted: ndarray, measured: ndarray, generator: np.random.Generator, seed: int) -> Finding:
    pairs = np.arange(len(predicted), dtype=float)

    def over(samples: ndarray) -> ndarray:
        at = samples.astype(int)
        return rank_correlation(predicted[at], measured[at])

    shuffled = np.array([float(rank_correlation(generator.permutation(predicted), measured)) for _ in range(200)])
    low, high = np.percentile(shuffled, [2.5, 97.5])
    return Finding(
        claim=f"{claim} features as real ablations do",
        value=float(rank_correlation(predicted, measured)),
        interval=bootstrap_interval(pairs, generator=generator, statistic=over),
        n=len(predicted),
        control=float(shuffled.mean()),
        control_interval=(float(low), float(high)),
        control_name="predictions shuffled among the features",
        method="Spearman; each feature ablated alone in the unfrozen model; change of the first target's logit",
        seed=seed,
    )


def downstream_bands(behind: Downstream) -> list[dict[str, int | float]]:
    """By layers apart: pairs, Spearman's rank correlation, that of the frozen model, cosine, and the length
    of predicted - measured over that of measured.
    """
    found = []
    for nearest, farthest in BANDS:
        predicted, frozen, measured = behind.band(nearest, farthest)
        if len(predicted) < 3 or not measured.any():
            continue
        lengths = np.linalg.norm(predicted) * np.linalg.norm(measured)
        found.append(
            {
                "from": nearest,
                "to": min(farthest, max((node.layer or 0) for node in behind.readers)),
                "pairs": len(predicted),
                "rank_correlation": float(rank_correlation(predicted, measured)),
                "frozen_rank_correlation": float(rank_correlation(frozen, measured)),
                "cosine": float(predicted @ measured / max(lengths, 1e-30)),
                "normalised_error": float(np.linalg.norm(predicted - measured) / np.linalg.norm(measured)),
            }
        )
    return found


def _downstream(behind: Downstream, generator: np.random.Generator, seed: int) -> Finding | None:
    """Over all pairs. Sources are the independent units; shuffled are the sources of each reader's predictions."""
    predicted, measured = behind.predicted, behind.measured

    lines = np.arange(len(predicted))
    if (~np.isnan(predicted)).sum() < 3:
        return None

    def over(lines: ndarray, shown: ndarray) -> float:
        one, other = shown[lines].ravel(), measured[lines].ravel()
        known = ~np.isnan(one) & ~np.isnan(other)
        return float(rank_correlation(one[known], other[known])) if known.sum() > 2 else np.nan

    drawn = [over(generator.integers(len(lines), size=len(lines)), predicted) for _ in range(300)]
    shuffled = [over(lines, _shuffled(predicted, generator)) for _ in range(200)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Finding(
        claim="Ablating a feature changes features two or more layers on as predicted",
        value=over(lines, predicted),
        interval=(float(low), float(high)),
        n=int((~np.isnan(predicted)).sum()),
        control=float(np.mean(shuffled)),
        control_interval=(float(np.percentile(shuffled, 2.5)), float(np.percentile(shuffled, 97.5))),
        control_name="predictions shuffled among the ablated features",
        method="Spearman over pairs of an ablated and a read feature; changes over the reader's own activation",
        seed=seed,
    )


def _shuffled(predicted: ndarray, generator: np.random.Generator) -> ndarray:
    """Each column's numbers at other places of the column; where there is none, there stays none."""
    new = predicted.copy()
    for column in range(predicted.shape[1]):
        known = (~np.isnan(predicted[:, column])).nonzero()[0]
        new[known, column] = predicted[generator.permutation(known), column]
    return new


def _strength(strongest: ndarray, controls: ndarray, generator: np.random.Generator, seed: int) -> Finding:
    return Finding(
        claim="Ablating one of the strongest features moves the first target",
        value=float(strongest.mean()),
        interval=bootstrap_interval(strongest, generator=generator),
        n=len(strongest),
        control=float(controls.mean()),
        control_interval=bootstrap_interval(controls, generator=generator),
        control_name="neurons of the same layers and positions with like activations",
        unit=" logits",
        method="mean absolute change of the logit, features ablated one by one in the unfrozen model",
        seed=seed,
    )
