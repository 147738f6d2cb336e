"""Attribution graphs: the lab's list, one graph for its page, marks on it, and the job that traces a prompt."""

import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from hooke.circuits.graph import Graph, TraceSettings
from hooke.circuits.graph_file import graph_ids, keep_graph
from hooke.circuits.probes import targets_of
from hooke.circuits.table import KINDS
from hooke.circuits.trace import trace
from hooke.circuits.validate import can_rank, with_ranks
from hooke.dictionaries import load_replacement
from hooke.dictionaries.neurons import neurons_name
from hooke.errors import BadArtefact, BadRequest
from hooke.findings import Finding
from hooke.lab import Lab
from hooke.models.load import load
from hooke.server.arrays import arrays_response
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.residents import Residents, ResidentsHere
from hooke.server.routes.features import cursor_after, place_of
from hooke.server.routes.indexes import JobStarted
from hooke.server.routes.prompts import indexes_by_dictionary

router = APIRouter(prefix="/api/graphs", tags=["graphs"])

MAX_MARKS = 2000
"""Nodes that may be pinned or grouped."""
MAX_NAME = 100
"""Characters of a group's name."""
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

    name: str = Field(min_length=1, max_length=MAX_NAME)
    """What they are called."""
    nodes: list[NodeId] = Field(min_length=1, max_length=MAX_MARKS)
    """Ids of the nodes."""


class Marks(BaseModel):
    """What a person did to a graph."""

    pinned: list[NodeId] = Field(max_length=MAX_MARKS)
    """Ids of nodes that were put aside."""
    supernodes: list[Supernode] = Field(max_length=200)
    """Groups; a node is in one of them at most."""


class LayerIndex(BaseModel):
    """Where a layer's features can be looked up."""

    name: str
    """Name of the index."""
    below: int
    """What is added to a neuron's number where it is below zero; 0 for features that cannot be."""


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
    indexes: dict[int, LayerIndex]
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


@router.get("")
def list_graphs(
    here: ResidentsHere, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> GraphList:
    """The lab's graphs, latest first."""
    files = {}
    for name in graph_ids(here.lab):
        with suppress(FileNotFoundError):  # removed a moment ago
            files[name] = here.lab.path("graphs", f"{name}.json").stat().st_mtime
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
    numbers_of(found, [*pinned, *members])
    keep_graph(replace(found, pinned=pinned, supernodes=tuple(groups)), here.lab, graph)
    return _marks_out(pinned, groups)


def numbers_of(graph: Graph, ids: Sequence[str]) -> list[int]:
    """Numbers of nodes.

    Raises:
        BadRequest: there is no such node.
    """
    known = {node.id: number for number, node in enumerate(graph.nodes)}
    return [known[id] if id in known else graph.number(id) for id in ids]


def finding_out(finding: Finding) -> FindingOut:
    """A finding as it is answered."""
    return FindingOut(**{key: getattr(finding, key) for key in FindingOut.model_fields})


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
        findings=[finding_out(finding) for finding in graph.findings],
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


def _indexes(here: Residents, graph: Graph) -> dict[int, LayerIndex]:
    by_dictionary = indexes_by_dictionary(here)
    is_neurons = graph.dictionary == "neurons"
    found = {}
    for layer in range(graph.n_layers):
        dictionary = neurons_name(layer, graph.model) if is_neurons else f"{graph.dictionary}.{layer}"
        if name := by_dictionary.get(dictionary):
            found[layer] = LayerIndex(name=name, below=len(here.index(name)) // 2 if is_neurons else 0)
    return found


def trace_work(lab: Lab, arguments: TraceArguments) -> dict[str, Any]:
    """Trace a prompt and keep its graph."""
    model = load(arguments.reference or arguments.model, name=arguments.model, lab=lab)
    is_neurons = arguments.dictionary == "neurons"
    dictionary = "neurons" if is_neurons else load_replacement(arguments.dictionary, lab=lab)
    settings = TraceSettings(max_nodes=arguments.max_nodes)
    targets = targets_of(arguments.targets, lab, with_files=False)
    # What a job writes for people is its log, which the page shows.
    tell = partial(print, file=sys.stderr)
    graph = trace(model, dictionary, arguments.prompt, targets=targets, settings=settings, tell=tell)
    keep_graph(with_ranks(graph, model, dictionary) if can_rank(graph) else graph, lab, arguments.name)
    return {"graph": arguments.name}


JOBS: dict[str, JobKind] = {"trace": JobKind(arguments=TraceArguments, work=trace_work)}
