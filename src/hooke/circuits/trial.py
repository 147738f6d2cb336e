"""One claim of a graph put to the model: features turned up, down or off, or exchanged for those of another prompt.

"Suppress Texas, insert California" is a trial: if what the graph calls Texas is Texas, the model should answer for
California. Beside the change stand the graph's own forecast and what matched random neurons do when they are treated
the same way.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hooke.circuits.graph import Graph, Node
from hooke.circuits.intervene import Intervention, feature_values, first_target, next_logits, require_own, scaled
from hooke.circuits.validate import N_NEAREST, matched_neurons
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.findings import Interval
from hooke.models.model import Model

N_CONTROLS = 20
"""Draws of controls, at least: fewer have no percentiles to speak of."""
N_TOKENS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One intervention and what came of it."""

    target: str
    """Id of the graph's first target."""
    base: float
    """Its value with nothing changed."""
    measured: float
    """Its change in the model itself, with nothing frozen."""
    predicted: float | None
    """Its change as the graph foretells it; None where something is inserted or the graph says nothing of a node."""
    control: float | None
    """Mean of the sizes of its changes under the controls."""
    control_interval: Interval | None
    """Percentiles 2.5 and 97.5 of its changes under the controls, with their signs."""
    n_controls: int
    """Draws of controls; 0 where there are none to draw: with transcoders, or where the graph took a place's all."""
    before: tuple[tuple[str, float], ...]
    """The most probable next tokens with nothing changed, each with its probability."""
    after: tuple[tuple[str, float], ...]

    @property
    def is_outside(self) -> bool | None:
        """Whether the measured change lies outside the controls' interval; None without controls."""
        if self.control_interval is None:
            return None
        low, high = self.control_interval
        return not low <= self.measured <= high


def trial(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    nodes: Sequence[Node],
    *,
    factor: float = 0.0,
    inserted: tuple[Graph, Sequence[Node]] | None = None,
    n_controls: int = N_CONTROLS,
    seed: int = 0,
) -> Trial:
    """What becomes of the first target when features are multiplied by a factor, and others put in, all together.

    Inserted are features of another graph, at their positions and with the activations that they have there; one that
    is among `nodes` too is set, not scaled. A control is a draw of as many neurons that their graph has not expanded,
    of the same layers and positions and with like activations, treated the same way.

    Raises:
        BadRequest: see `target_values`; or nothing is changed, there are fewer than 20 draws, the other graph's prompt
            has another length, or it is not known how active an inserted feature is here.
    """
    if n_controls < N_CONTROLS:
        raise BadRequest(f"{n_controls} draws of controls are too few.", "", f"Draw at least {N_CONTROLS}.")
    other, put_in = inserted or (graph, ())
    _require_exchangeable(graph, other, model, dictionary)
    placed = {node.id for node in put_in}
    turned = [node for node in nodes if node.id not in placed]
    if not turned and not put_in:
        raise BadRequest("Nothing would be changed.", "No node is named.", "Name nodes or groups of the graph.")
    for node in [*turned, *put_in]:
        if node.kind != "feature":
            raise BadRequest(f"'{node.id}' is no feature.", "", "Only features can be ablated, scaled or inserted.")
    change = [*scaled(turned, factor), *_insertion(graph, model, dictionary, put_in)]
    controls = _controls((graph, turned), (other, put_in), model, factor, n_controls, seed)
    logits = next_logits(graph, model, dictionary, [(), change, *controls])
    values = first_target(graph, logits).double().numpy()
    base, changes = float(values[0]), values[1:] - values[0]
    effects = [node.effect for node in turned]
    known = [effect for effect in effects if effect is not None]
    drawn = changes[1:]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Trial(
        target=graph.nodes[graph.targets[0]].id,
        base=base,
        measured=float(changes[0]),
        predicted=None if put_in or len(known) < len(effects) else (factor - 1) * sum(known),
        control=float(np.abs(drawn).mean()) if len(drawn) else None,
        control_interval=(float(low), float(high)) if len(drawn) else None,
        n_controls=len(drawn),
        before=_most_probable(model, logits[0]),
        after=_most_probable(model, logits[1]),
    )


def _require_exchangeable(graph: Graph, other: Graph, model: Model, dictionary: Replacement | str) -> None:
    require_own(graph, model, dictionary)
    require_own(other, model, dictionary)
    here, there = len(graph.token_ids), len(other.token_ids)
    if here != there:
        raise BadRequest(
            "Features can be exchanged between prompts of one length only.",
            f"'{graph.prompt}' has {here} tokens, '{other.prompt}' has {there}.",
            "Trace a prompt with as many tokens.",
        )


def _insertion(graph: Graph, model: Model, dictionary: Replacement | str, put_in: Sequence[Node]) -> Intervention:
    """These features with the activations that they have in their own prompt, as changes from what they have here."""
    goals = [(node, node.activation or 0.0) for node in put_in]
    if isinstance(dictionary, str) or not goals:
        return goals  # a neuron is set, whatever it was
    here = {node.id: node for node in graph.nodes}
    missing = [node for node in put_in if node.id not in here]
    before = feature_values(graph, model, dictionary, [()], missing)[0].tolist() if missing else []
    unknown = [node.id for node, value in zip(missing, before, strict=True) if value > 0]
    if unknown:
        raise BadRequest(
            "How active some inserted features are in this prompt is not known.",
            f"The graph of '{graph.prompt}' lacks {', '.join(unknown[:3])}{' ...' if len(unknown) > 3 else ''}.",
            "Trace its prompt with more nodes.",
        )
    return [(here.get(node.id, replace(node, activation=0.0)), goal) for node, goal in goals]


def _controls(
    turned: tuple[Graph, Sequence[Node]],
    put_in: tuple[Graph, Sequence[Node]],
    model: Model,
    factor: float,
    n_draws: int,
    seed: int,
) -> list[Intervention]:
    """Draws of matched neurons, each treated as the nodes are; none where a node has no match left."""
    sides = [_candidates(graph, model, nodes) for graph, nodes in (turned, put_in)]
    generator = np.random.default_rng(seed)
    drawn = [[_draw(side, generator) for side in sides] for _ in range(n_draws)]
    if any(len(one) < len(side) for draw in drawn for one, side in zip(draw, sides, strict=True)):
        return []
    return [[*scaled(down, factor), *((node, node.activation or 0.0) for node in up)] for down, up in drawn]


def _candidates(graph: Graph, model: Model, nodes: Sequence[Node]) -> list[tuple[Node, ...]]:
    if not nodes:
        return []
    # As many more as one place needs, so that each of its nodes has a choice when the others have drawn.
    most = max(Counter((node.layer, node.position) for node in nodes).values())
    return matched_neurons(graph, model, nodes, at_most=N_NEAREST + most)


def _draw(candidates: Sequence[Sequence[Node]], generator: np.random.Generator) -> list[Node]:
    """One of each node's candidates; none is drawn twice, as two of the nodes are never one neuron."""
    drawn: dict[str, Node] = {}
    for near in candidates:
        free = [node for node in near if node.id not in drawn]
        if free:
            node = free[int(generator.integers(len(free)))]
            drawn[node.id] = node
    return list(drawn.values())


def _most_probable(model: Model, logits: Float[Tensor, " vocab"]) -> tuple[tuple[str, float], ...]:
    values, tokens = model.capped(logits).softmax(-1).topk(min(N_TOKENS, len(logits)))
    decode = None if model.tokenizer is None else model.tokenizer.decode
    texts = [f"#{token}" if decode is None else str(decode([token])) for token in tokens.tolist()]
    return tuple(zip(texts, values.tolist(), strict=True))
