"""Attribution graphs: the lab's list, one graph for its page, marks on it, paths through it, tests on the model."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from hooke.circuits.graph import Graph, Node, TraceSettings
from hooke.circuits.graph_file import graph_ids, keep_graph
from hooke.circuits.intervene import target_values
from hooke.circuits.paths import top_paths
from hooke.circuits.table import KINDS
from hooke.circuits.trace import trace
from hooke.circuits.validate import matched_controls
from hooke.dictionaries import load_replacement
from hooke.dictionaries.neurons import neurons_name
from hooke.dictionaries.replacement import Replacement
from hooke.errors import BadArtefact, BadRequest
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.server.arrays import arrays_response
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.residents import ClientHere, Residents, ResidentsHere
from hooke.server.routes.features import cursor_after, place_of
from hooke.server.routes.indexes import JobStarted
from hooke.server.routes.prompts import indexes_by_dictionary

router = APIRouter(prefix="/api/graphs", tags=["graphs"])

MAX_MARKS = 2000
"""Nodes that may be pinned or grouped."""
NodeId = Annotated[str, Field(max_length=200)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")]


class GraphEntry(BaseModel):
    """A graph in the list."""

    id: str
    """Its name."""
    prompt: str
    """The text whose continuation it explains."""
    model: str
    """The model; empty where another tool made the graph."""
    dictionary: str
    """What its features are of."""
    targets: list[str]
    """What it explains."""
    n_nodes: int
    """Its nodes."""
    n_edges: int
    """Edges in its file."""
    beats_controls: bool | None
    """Whether its claims beat their controls; null where it was not validated."""
    updated: float
    """When its file was written, in seconds since 1970."""


class GraphList(BaseModel):
    """The lab's graphs."""

    items: list[GraphEntry]
    """Latest first."""
    next: str | None
    """Where the next page begins."""
    total: int
    """How many there are."""
    damaged: dict[str, str]
    """Files of this page that could not be read, and why."""


class TargetOut(BaseModel):
    """What a graph explains."""

    node: str
    """Its node."""
    name: str
    """The token, or what was asked for."""
    value: float | None
    """Its logit above the mean."""
    weight: float
    """Its share in the influence."""


class FindingOut(BaseModel):
    """A claim about the graph, measured on the model itself."""

    claim: str
    """What is said."""
    value: float
    """The number."""
    interval: tuple[float, float]
    """95 % interval."""
    n: int
    """How many were measured."""
    control: float | None
    """The same number of the control."""
    control_interval: tuple[float, float] | None
    """95 % interval of the control."""
    control_name: str
    """What the control is."""
    unit: str
    """Unit of the numbers."""
    method: str
    """How it was measured."""


class Supernode(BaseModel):
    """Nodes that a person put together."""

    name: str = Field(min_length=1, max_length=100)
    """What they are called."""
    nodes: list[NodeId] = Field(min_length=1, max_length=MAX_MARKS)
    """Ids of the nodes."""


class Marks(BaseModel):
    """What a person did to a graph."""

    pinned: list[NodeId] = Field(max_length=MAX_MARKS)
    """Ids of nodes that were put aside."""
    supernodes: list[Supernode] = Field(max_length=200)
    """Groups; a node is in one of them at most."""


class GraphOut(Marks):
    """A graph, without its arrays."""

    id: str
    """Its name."""
    prompt: str
    """The text."""
    tokens: list[str]
    """Its tokens."""
    model: str
    """The model; empty where another tool made the graph."""
    dictionary: str
    """What the features are of: 'neurons' or a set of transcoders."""
    n_layers: int
    """Layers of the model."""
    targets: list[TargetOut]
    """What it explains, the first target first."""
    measures: dict[str, Any]
    """Scores with their nulls, the conservation error, counts, seconds."""
    findings: list[FindingOut]
    """What validation measured; empty where it was not validated."""
    n_nodes: int
    """All nodes."""
    n_edges: int
    """All edges."""
    kinds: list[str]
    """What the numbers in the array `kind` mean."""
    ids: list[str]
    """Id of each node."""
    names: list[str]
    """Text or label of each node, often empty."""
    indexes: dict[int, str]
    """The index of each layer's features, where there is one."""


class TraceBody(BaseModel):
    """A prompt to trace."""

    name: Name
    """Name of the graph."""
    model: str = Field(max_length=200)
    """The model."""
    prompt: str = Field(min_length=1, max_length=20_000)
    """The text; its next token is explained."""
    dictionary: str = Field(default="neurons", max_length=200)
    """'neurons', or a set of transcoders."""
    targets: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=10)
    """Tokens, or differences such as 'Paris - London'; empty for the most probable next tokens."""
    max_nodes: int = Field(default=1000, ge=1, le=10_000)
    """Features that get incoming edges."""


class TraceArguments(TraceBody):
    """What the job gets."""

    reference: str = ""
    """What the model is opened by where its name alone does not say."""


class PathOut(BaseModel):
    """A way from a node to a target."""

    nodes: list[str]
    """Ids, from the source to the target."""
    strength: float
    """Product of the edges' shares, with the sign of their weights."""
    share: float
    """Its part of all that arrives."""


class PathList(BaseModel):
    """The strongest ways to a target."""

    items: list[PathOut]
    """Strongest first."""
    target: str
    """Where they end."""


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


@router.get("")
def list_graphs(
    here: ResidentsHere, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> GraphList:
    """The lab's graphs, latest first."""
    files = {name: here.lab.path("graphs", f"{name}.json").stat().st_mtime for name in graph_ids(here.lab)}
    names = sorted(files, key=lambda name: (-files[name], name))
    start = place_of(cursor)
    items, damaged = [], {}
    for name in names[start : start + limit]:
        try:
            items.append(GraphEntry(id=name, updated=files[name], **asdict(here.graph_summary(name))))
        except BadArtefact as error:
            damaged[name] = error.found
    return GraphList(items=items, next=cursor_after(start, limit, len(names)), total=len(names), damaged=damaged)


@router.post("", status_code=202)
def trace_prompt(body: Annotated[TraceBody, Body()], here: ResidentsHere, jobs: JobsHere) -> JobStarted:
    """Start the job that traces a prompt; it makes the graph of that name."""
    if body.name in graph_ids(here.lab):
        raise BadRequest(f"There is a graph '{body.name}' already.", "", "Choose another name.")
    if body.dictionary != "neurons":
        here.replacement(body.dictionary)
    arguments = TraceArguments(**body.model_dump(), reference=here.reference(body.model))
    return JobStarted(job=jobs.submit("trace", arguments.model_dump()).id)


@router.get("/{graph}")
def get_graph(graph: str, here: ResidentsHere) -> GraphOut:
    """One graph."""
    return _graph_out(here, graph)


@router.get("/{graph}/arrays", response_class=Response)
def graph_arrays(graph: str, here: ResidentsHere) -> Response:
    """Safetensors with a row for each node and for each edge; names and ids are in the graph's JSON.

    node.kind u8 · node.layer, node.position i16, node.index i32 (-1: none) · node.activation, .value, .influence,
    .relevance, .effect, .weight f32 (NaN: none). edge.source, edge.target u32 · edge.weight f32 · edge.share f32 of the
    target's input · edge.flow f32, share times the target's influence: the strongest first, at most 100,000.
    """
    table = here.graph(graph)
    nodes = {f"node.{name}": column for name, column in table.nodes.items()}
    return arrays_response(nodes | {f"edge.{name}": column for name, column in table.edges.items()})


@router.put("/{graph}/marks")
def put_marks(graph: str, body: Annotated[Marks, Body()], here: ResidentsHere) -> Marks:
    """Keep what is pinned and grouped in the graph's file."""
    found = here.graph(graph).graph
    groups = [(one.name, tuple(dict.fromkeys(one.nodes))) for one in body.supernodes]
    members = [node for _, nodes in groups for node in nodes]
    if len({name for name, _ in groups}) < len(groups):
        raise BadRequest("Two groups have the same name.", "", "Give each group a name of its own.")
    if len(set(members)) < len(members):
        raise BadRequest("A node is in two groups.", "", "Take it out of one of them.")
    pinned = tuple(dict.fromkeys(body.pinned))
    _numbers(found, [*pinned, *members])
    keep_graph(replace(found, pinned=pinned, supernodes=tuple(groups)), here.lab, graph)
    return _marks_out(pinned, groups)


@router.get("/{graph}/paths")
def graph_paths(
    graph: str,
    here: ResidentsHere,
    source: Annotated[str | None, Query(max_length=200)] = None,
    target: Annotated[str | None, Query(max_length=200)] = None,
    through: Annotated[list[str] | None, Query(max_length=20)] = None,
    avoiding: Annotated[list[str] | None, Query(max_length=200)] = None,
    n: Annotated[int, Query(ge=1, le=100)] = 10,
) -> PathList:
    """The strongest paths from a node, or from anywhere, to a target, the first one if none is named."""
    found = here.graph(graph).graph
    start = found.number(source) if source else None
    end = found.number(target) if target else found.targets[0]
    must, must_not = _numbers(found, through or []), _numbers(found, avoiding or [])
    paths = top_paths(found, start, end, n=n, through=must, avoiding=must_not)
    items = [
        PathOut(nodes=[found.nodes[at].id for at in path.nodes], strength=path.strength, share=path.share)
        for path in paths
    ]
    return PathList(items=items, target=found.nodes[end].id)


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
    groups = [[found.nodes[at] for at in _numbers(found, one.nodes)] for one in body.items]
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
    tried = [[(node, factor) for node in group] for group, factor in zip(groups, factors, strict=True)]
    # Before controls are drawn, what is no feature is refused.
    values = target_values(graph, model, dictionary, [(), *tried]).tolist()
    base, measured = values[0], values[1:]
    controls = _controls(graph, model, groups, seed)
    pairs = [[(node, factor) for node in group] for group, factor in zip(controls, factors, strict=True)]
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


def _numbers(graph: Graph, ids: Sequence[str]) -> list[int]:
    """Numbers of nodes.

    Raises:
        BadRequest: there is no such node.
    """
    known = {node.id: number for number, node in enumerate(graph.nodes)}
    return [known[id] if id in known else graph.number(id) for id in ids]


def _graph_out(here: Residents, name: str) -> GraphOut:
    table = here.graph(name)
    graph = table.graph
    goals = [graph.nodes[number] for number in graph.targets]
    return GraphOut(
        **_marks_out(graph.pinned, graph.supernodes).model_dump(),
        id=name,
        prompt=graph.prompt,
        tokens=list(graph.tokens),
        model=graph.model,
        dictionary=graph.dictionary,
        n_layers=graph.n_layers,
        targets=[TargetOut(node=node.id, name=node.name, value=node.value, weight=node.weight) for node in goals],
        measures={key: value for key, value in graph.measures.items() if not _is_endless(value)},
        findings=[
            FindingOut(**{key: getattr(finding, key) for key in FindingOut.model_fields}) for finding in graph.findings
        ],
        n_nodes=len(graph.nodes),
        n_edges=graph.n_edges,
        kinds=list(KINDS),
        ids=[node.id for node in graph.nodes],
        names=[node.name for node in graph.nodes],
        indexes=_indexes(here, graph),
    )


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _marks_out(pinned: Sequence[str], groups: Sequence[tuple[str, Sequence[str]]]) -> Marks:
    return Marks.model_construct(
        pinned=list(pinned),
        supernodes=[Supernode.model_construct(name=name, nodes=list(nodes)) for name, nodes in groups],
    )


def _indexes(here: Residents, graph: Graph) -> dict[int, str]:
    """The index of each layer's features, where one was built."""
    by_dictionary = indexes_by_dictionary(here)
    is_neurons = graph.dictionary == "neurons"
    names = {
        layer: neurons_name(layer, graph.model) if is_neurons else f"{graph.dictionary}.{layer}"
        for layer in range(graph.n_layers)
    }
    return {layer: by_dictionary[name] for layer, name in names.items() if name in by_dictionary}


def trace_work(lab: Lab, arguments: TraceArguments) -> dict[str, Any]:
    """Trace a prompt and keep its graph."""
    model = load(arguments.reference or arguments.model, name=arguments.model, lab=lab)
    is_neurons = arguments.dictionary == "neurons"
    dictionary = "neurons" if is_neurons else load_replacement(arguments.dictionary, lab=lab)
    settings = TraceSettings(max_nodes=arguments.max_nodes)
    graph = trace(model, dictionary, arguments.prompt, targets=arguments.targets, settings=settings)
    keep_graph(graph, lab, arguments.name)
    return {"graph": arguments.name}


JOBS: dict[str, JobKind] = {"trace": JobKind(arguments=TraceArguments, work=trace_work)}
