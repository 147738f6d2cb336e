"""From a prompt to its graph: freeze, choose what to explain, expand the strongest nodes, close the account."""

import re
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.basis import Basis, Features, total_effects
from hooke.circuits.derivative import own_losses, reading_of
from hooke.circuits.expand import Expanded, expand
from hooke.circuits.frozen import FrozenModel, freeze
from hooke.circuits.graph import Graph, Kind, Node, TraceSettings
from hooke.circuits.neuron_basis import neuron_basis, neuron_row, relevance
from hooke.circuits.plan import Plan, frozen_bytes, plan_of, require_memory
from hooke.circuits.scores import score
from hooke.circuits.targets import (
    Answers,
    Probe,
    Target,
    answers_target,
    feature_target,
    parse_target,
    place_of,
    probe_target,
    target_rows,
    top_logits,
)
from hooke.circuits.transcoder_basis import feature_row, transcoder_basis
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.models.model import Model, Tokens

CONSERVED = 1e-4
"""Largest relative error of a node's account."""


def trace(
    model: Model,
    dictionary: Replacement | str,
    prompt: str | Tensor | Tokens,
    *,
    targets: Sequence[str | Target | Probe | Answers] = (),
    settings: TraceSettings | None = None,
    tell: Callable[[Plan], object] = lambda plan: None,
) -> Graph:
    """The attribution graph of a prompt.

    Args:
        dictionary: a set of transcoders, or "neurons", which need no training.
        targets: tokens ("Paris"), differences ("Paris - London"), features ("11/402@8"), probes (see `probes.py`),
            answers, or targets made by `targets.py`; the most probable next tokens where nothing is named. Influence is
            counted from them by their weights.
        tell: is told what the trace will take, before it takes it.

    Raises:
        UnsupportedModel: the model has no exact linear map; the message names the part.
        BadRequest: the prompt has one token only, a target is not one token, or the trace does not fit into memory.
        ShapeMismatch: the dictionary is of another model.
        HookeError: see `freeze`.
    """
    settings = settings or TraceSettings()
    began = time.perf_counter()
    with torch.no_grad():
        tokens = prompt if isinstance(prompt, Tokens) else model.tokenize(prompt)
        n_tokens = tokens.ids.shape[1]
        if n_tokens < 2:
            raise BadRequest("A prompt of one token has nothing to trace.", "", "Give at least two tokens.")
        require_memory(
            frozen_bytes(model, n_tokens, settings), f"A trace of {n_tokens:,} tokens", "Shorten the prompt."
        )
        frozen = freeze(model, tokens)
        goals = resolve_targets(frozen, dictionary, targets, settings)
        basis, effects = open_basis(frozen, dictionary, goals, settings)
        passed = time.perf_counter() - began
        plan = plan_of(model, n_tokens, len(basis.features), len(goals), settings, passed=passed)
        tell(plan)
        graph = assemble(frozen, basis, goals, expand(frozen, basis, goals, settings), effects, settings)
    errors = graph.residual_errors()
    measures = {
        "nodes": len(graph.nodes),
        "edges": graph.n_edges,
        "expanded": graph.n_rows - len(goals),
        "active": basis.n_active,
        "conservation_error": float(errors.max()),
        "is_conserved": bool(errors.max() <= CONSERVED),
        **asdict(score(graph)),
        "seconds": time.perf_counter() - began,
        "estimated_seconds": plan.seconds,
        "estimated_mb": plan.n_bytes / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return replace(graph, measures=measures)


def resolve_targets(
    frozen: FrozenModel,
    dictionary: Replacement | str,
    asked: Sequence[str | Target | Probe | Answers],
    settings: TraceSettings,
) -> list[Target]:
    """Targets from words, probes and answers, which count alike; the most probable next tokens for nothing.

    Words are a token, 'A - B', or a feature's address such as '11/402@8'; positions may count from the end.

    Raises:
        BadRequest: a word is not one token, there is no such feature, or a target is named twice.
    """
    if not asked:
        return top_logits(frozen, mass=settings.logit_mass, at_most=settings.max_logits)
    found = []
    for one in asked:
        if isinstance(one, Target):
            found.append(one)
            continue
        if isinstance(one, Answers):
            target = answers_target(frozen, one)
        else:
            target = probe_target(frozen, one) if isinstance(one, Probe) else _named(frozen, dictionary, one)
        found.append(replace(target, weight=1 / len(asked)))
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"'{twice}' is a target twice.", "", "Name each target once.")
    return found


def _named(frozen: FrozenModel, dictionary: Replacement | str, words: str) -> Target:
    address = re.fullmatch(r"(\d{1,6})/(\d{1,9})@(-?\d{1,9})", words)
    if address is None:
        return parse_target(frozen, words)
    layer, index = int(address[1]), int(address[2])
    position = place_of(frozen, int(address[3]))
    if layer >= frozen.n_layers:
        raise BadRequest(f"There is no layer {layer}.", f"{frozen.model.name} has {frozen.n_layers}.", "Count from 0.")
    if isinstance(dictionary, str):
        row = neuron_row(frozen, layer, position, index, "half")
    else:
        row = feature_row(frozen, dictionary, layer, position, index)
    return feature_target(frozen, f"{layer}/{index}@{position}", row)


@dataclass(frozen=True, slots=True)
class Effects:
    """What each feature gives the first target over all paths."""

    relevance: Float[Tensor, " feature"]
    """By the rule that conserves."""
    frozen: Float[Tensor, " feature"]
    """By the frozen model's derivative."""
    own: Float[Tensor, " feature"]
    """By the model's own derivative, which predicts ablations best."""


def open_basis(
    frozen: FrozenModel, dictionary: Replacement | str, goals: Sequence[Target], settings: TraceSettings
) -> tuple[Basis, Effects]:
    """The parts of this prompt's MLP outputs, and what each gives the first target.

    Raises:
        BadRequest: a name that is not "neurons".
        UnsupportedModel, ShapeMismatch: see `neuron_basis` and `transcoder_basis`.
    """
    rows = target_rows(goals)
    if isinstance(dictionary, str) and dictionary != "neurons":
        raise BadRequest(f"'{dictionary}' is no basis.", "", "Give 'neurons' or a set of transcoders.")
    if isinstance(dictionary, str):
        weights = torch.tensor([goal.weight for goal in goals], device=frozen.embed.device)
        half, gradient = (relevance(frozen, rows, weights, rule) for rule in ("half", "gradient"))
        # A neuron is worth telling apart when either account says that it matters.
        basis = neuron_basis(frozen, torch.maximum(half.size, gradient.size), settings.candidates)
        features = basis.features
        place = (features.layer, features.position, features.index % half.first.shape[-1])
        conserved, fading = half.first[place], gradient.first[place]
    else:
        basis = transcoder_basis(frozen, dictionary)
        conserved = fading = total_effects(frozen, basis, target_rows(goals[:1]))[:, 0]
    return basis, Effects(conserved, fading, own_losses(frozen, basis, [reading_of(frozen, goals[0])])[:, 0])


def assemble(
    frozen: FrozenModel,
    basis: Basis,
    goals: Sequence[Target],
    expanded: Expanded,
    effects: Effects,
    settings: TraceSettings,
) -> Graph:
    """The graph of the expanded features; the others are folded into the rest of their place."""
    features, edges, texts = basis.features, expanded.edges, token_texts(frozen)
    order = (features.layer[expanded.chosen] * frozen.n_positions + features.position[expanded.chosen]).argsort(
        stable=True
    )
    chosen = expanded.chosen[order]
    folded, remainder = _folded(frozen, features, expanded), edges.remainder.flatten(1)
    if basis.remainder_kind == "rest":
        folded, remainder = folded + remainder, remainder[:, :0]
    nodes = [_feature_node(features, int(number), effects) for number in chosen]
    nodes += [_target_node(goal) for goal in goals]
    # After the features come the targets, which nothing reads.
    blocks = [edges.features.new_zeros(len(edges.features), len(goals))]
    leftovers: tuple[tuple[Kind, Tensor], ...] = (("rest", folded), ("error", remainder))
    for kind, block in leftovers:
        used = block.abs().sum(0).nonzero()[:, 0]
        blocks.append(block[:, used])
        nodes += [
            Node(kind=kind, layer=place // frozen.n_positions, position=place % frozen.n_positions)
            for place in used.tolist()
        ]
    blocks += [edges.tokens, edges.constant[:, None]]
    nodes += [
        Node(kind="token", position=position, index=int(token), name=texts[position])
        for position, token in enumerate(frozen.tokens.tolist())
    ]
    nodes.append(Node(kind="constant"))
    rows = torch.cat([order + len(goals), torch.arange(len(goals), device=order.device)])
    weights = np.empty((len(rows), len(nodes)), np.float32)
    # Row by row: both the edges and the graph may take much of the memory, and nothing else should.
    for start in range(0, len(rows), settings.batch):
        some = rows[start : start + settings.batch]
        parts = [edges.features[some][:, chosen], *(block[some] for block in blocks)]
        weights[start : start + settings.batch] = torch.cat(parts, dim=1).cpu().numpy()
    return Graph(
        prompt=_prompt(frozen),
        token_ids=tuple(frozen.tokens.tolist()),
        tokens=texts,
        model=frozen.model.name,
        dictionary=basis.name,
        n_layers=frozen.n_layers,
        nodes=tuple(nodes),
        weights=weights,
        hidden=np.zeros(len(weights), np.float32),
        settings=settings,
    )


def _folded(frozen: FrozenModel, features: Features, expanded: Expanded) -> Float[Tensor, "row place"]:
    """What the features that were not expanded give, summed by layer and position."""
    is_folded = torch.ones(len(features), dtype=torch.bool, device=expanded.chosen.device)
    is_folded[expanded.chosen] = False
    left = is_folded.nonzero()[:, 0]
    places = features.layer[left] * frozen.n_positions + features.position[left]
    folded = expanded.edges.features.new_zeros(len(expanded.edges.features), frozen.n_layers * frozen.n_positions)
    for some in left.split(4096):
        folded.index_add_(1, places[: len(some)], expanded.edges.features[:, some])
        places = places[len(some) :]
    return folded


def _feature_node(features: Features, number: int, effects: Effects) -> Node:
    activation = float(features.activation[number])
    return Node(
        kind="feature",
        layer=int(features.layer[number]),
        position=int(features.position[number]),
        index=int(features.index[number]),
        activation=activation,
        value=activation,
        relevance=float(effects.relevance[number]),
        effect=float(effects.own[number]),
        frozen_effect=float(effects.frozen[number]),
    )


def _target_node(goal: Target) -> Node:
    return Node(
        kind="logit",
        position=goal.position,
        index=goal.tokens[0] if goal.tokens else None,
        other=goal.tokens[1] if len(goal.tokens) > 1 else None,
        name=goal.name,
        value=goal.value,
        weight=goal.weight,
    )


def token_texts(frozen: FrozenModel) -> tuple[str, ...]:
    """Text of each token of the prompt."""
    tokenizer = frozen.model.tokenizer
    return tuple(f"#{token}" if tokenizer is None else tokenizer.decode([token]) for token in frozen.tokens.tolist())


def _prompt(frozen: FrozenModel) -> str:
    tokenizer = frozen.model.tokenizer
    return "" if tokenizer is None else tokenizer.decode(frozen.tokens.tolist())
