"""Questions to a graph: which paths lead to a target, which nodes belong together, what they do in the model itself."""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field

from hooke.circuits.graph import Graph, Node
from hooke.circuits.intervene import scaled, target_values
from hooke.circuits.paths import described, top_paths, unexplained_ends
from hooke.circuits.supernodes import suggest
from hooke.circuits.validate import matched_controls
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadRequest
from hooke.models.model import Model
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.graphs import MAX_NAME, NodeId, Supernode, numbers_of

router = APIRouter(prefix="/api/graphs", tags=["graphs"])


class PathOut(BaseModel):
    """A way from a node to a target."""

    nodes: list[str]
    """Ids, from the source to the target."""
    strength: float
    """Product of the edges' shares."""
    share: float
    """Its part of all that arrives."""
    sign: int
    """1 or -1: the product of its edges' signs."""
    text: str
    """The path in words made of labels and tokens."""


class PathList(BaseModel):
    """The strongest ways to a target."""

    items: list[PathOut]
    """Strongest first."""
    target: str
    """Where they end."""


class SuggestedGroup(Supernode):
    """Nodes that may belong together."""

    reason: str
    """What they have in common."""


class Suggestions(BaseModel):
    """Groups that a person may want to make."""

    items: list[SuggestedGroup]
    """The most influential first."""


class Intervention(BaseModel):
    """Nodes whose activations are changed together."""

    nodes: list[NodeId] = Field(min_length=1, max_length=200)
    """Ids of features."""
    factor: float = Field(default=0.0, ge=-100, le=100)
    """What their activations are multiplied with; 0 ablates."""


class InterventionBody(BaseModel):
    """Interventions, each tried alone."""

    items: list[Intervention] = Field(min_length=1, max_length=64)
    """What to try."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the choice of controls."""


class Effect(BaseModel):
    """One intervention."""

    nodes: list[str]
    """What was changed."""
    predicted: float | None
    """Change of the first target that the graph foretells; null where it says nothing of a node."""
    measured: float
    """Change in the model itself, with nothing frozen."""
    control: float | None
    """Change by as many neurons of the same places with like activations that the graph did not pick; null for
    transcoders."""


class Effects(BaseModel):
    """Predicted beside measured."""

    target: str
    """Node of the target whose logit is looked at."""
    base: float
    """Its value with nothing changed."""
    items: list[Effect]
    """In the order in which they were asked for."""


@router.get("/{graph}/paths")
def graph_paths(
    graph: str,
    here: ResidentsHere,
    source: Annotated[str | None, Query(max_length=200)] = None,
    target: Annotated[str | None, Query(max_length=200)] = None,
    through: Annotated[list[str] | None, Query(max_length=20)] = None,
    avoiding: Annotated[list[str] | None, Query(max_length=200)] = None,
    *,
    unexplained: bool = False,
    n: Annotated[int, Query(ge=1, le=100)] = 10,
) -> PathList:
    """The strongest paths from a node, or from all tokens, to a target, the first one if none is named.

    With `unexplained` also those that begin in errors and in features that were not taken up.
    """
    found = here.graph(graph).graph
    start = found.number(source) if source else None
    end = found.number(target) if target else found.targets[0]
    must, must_not = numbers_of(found, through or []), numbers_of(found, avoiding or [])
    ends = [] if unexplained else unexplained_ends(found, source, target)
    paths = top_paths(found, start, end, n=n, through=must, avoiding=[*must_not, *ends])
    items = [
        PathOut(
            nodes=[found.nodes[at].id for at in path.nodes],
            strength=path.strength,
            share=path.share,
            sign=path.sign,
            text=described(found, path),
        )
        for path in paths
    ]
    return PathList(items=items, target=found.nodes[end].id)


@router.get("/{graph}/suggestions")
def graph_suggestions(graph: str, here: ResidentsHere, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> Suggestions:
    """Groups among the most influential features that are in none: nothing is grouped by asking."""
    found = suggest(here.graph(graph).graph)[:limit]
    items = [SuggestedGroup(name=one.name[:MAX_NAME], nodes=list(one.ids), reason=one.reason) for one in found]
    return Suggestions(items=items)


@router.post("/{graph}/interventions")
async def graph_interventions(
    graph: str, body: Annotated[InterventionBody, Body()], here: ResidentsHere, client: ClientHere
) -> Effects:
    """Change nodes in the model itself and look at the first target, beside what the graph foretells."""
    found = (await run_sync(lambda: here.graph(graph))).graph
    if not found.model:
        raise BadRequest(
            "This graph cannot be tested here.", "It was made by another tool.", "Trace its prompt with hooke."
        )
    groups = [[found.nodes[at] for at in numbers_of(found, one.nodes)] for one in body.items]
    factors = [one.factor for one in body.items]
    dictionary: Replacement | str = found.dictionary
    if dictionary != "neurons":
        dictionary = await run_sync(lambda: here.replacement(found.dictionary))
    return await here.with_model(
        found.model, client, lambda model: _effects(found, model, dictionary, groups, factors, body.seed)
    )


def _effects(
    graph: Graph,
    model: Model,
    dictionary: Replacement | str,
    groups: Sequence[Sequence[Node]],
    factors: Sequence[float],
    seed: int,
) -> Effects:
    tried = [scaled(group, factor) for group, factor in zip(groups, factors, strict=True)]
    # Before controls are drawn, what is no feature is refused.
    values = target_values(graph, model, dictionary, [(), *tried]).tolist()
    base, measured = values[0], values[1:]
    controls = _controls(graph, model, groups, seed)
    pairs = [scaled(group, factor) for group, factor in zip(controls, factors, strict=True)]
    of_controls = target_values(graph, model, dictionary, pairs).tolist() if any(controls) else [base] * len(groups)
    items = [
        Effect(
            nodes=[node.id for node in group],
            predicted=_predicted(group, factor),
            measured=value - base,
            control=of_control - base if len(control) == len(group) else None,
        )
        for group, factor, value, control, of_control in zip(
            groups, factors, measured, controls, of_controls, strict=True
        )
    ]
    return Effects(target=graph.nodes[graph.targets[0]].id, base=base, items=items)


def _controls(graph: Graph, model: Model, groups: Sequence[Sequence[Node]], seed: int) -> list[list[Node]]:
    """A control for each node of each group; groups of places where there is none get too few."""
    drawn = matched_controls(graph, model, [node for group in groups for node in group], np.random.default_rng(seed))
    left = list(drawn)
    found: list[list[Node]] = []
    for group in groups:
        own = []
        for node in group:
            # They come in the nodes' order; a place where the graph took every neuron has none for any of its nodes.
            if left and (left[0].layer, left[0].position) == (node.layer, node.position):
                own.append(left.pop(0))
        found.append(own)
    return found


def _predicted(group: Sequence[Node], factor: float) -> float | None:
    effects = [node.effect for node in group]
    known = [effect for effect in effects if effect is not None and math.isfinite(effect)]
    return (factor - 1) * sum(known) if len(known) == len(effects) else None
