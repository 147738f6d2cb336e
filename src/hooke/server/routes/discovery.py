"""Discovery: the job that scores edges and measures circuits of them, what it kept, and single circuits."""

import json
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from hooke.circuits.circuit_file import Circuit, circuit_json
from hooke.circuits.components import open_components
from hooke.circuits.discover import DiscoverSettings
from hooke.circuits.edges import INPUT, LOGITS, require_same
from hooke.circuits.faithfulness import circuit_finding
from hooke.circuits.kept_discovery import (
    DiscoveryManifest,
    KeptCurve,
    KeptDiscovery,
    discover_and_keep,
    discovery_name,
    discovery_names,
    manifest_path,
    read_manifest,
    throw_away,
)
from hooke.circuits.pairs import readable_pairs
from hooke.errors import BadArtefact, BadRequest
from hooke.findings import Estimate, Interval
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.remembered import remembered
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.features import cursor_after, place_of
from hooke.server.routes.graphs import FindingOut, finding_out
from hooke.server.routes.patching import PairsBody, given_pairs

router = APIRouter(prefix="/api/discovery", tags=["discovery"])

MAX_DRAWN = 1000
"""Edges of a circuit that one answer names."""
Method = Literal["eap-ig-inputs", "eap", "eap-ig-activations", "exact", "acdc", "masks", "random"]
Order = Literal["size", "score"]
_Count = Annotated[int, Field(ge=1, lt=2**31)]


class DiscoverBody(PairsBody):
    """Which pairs, which model, and how edges are scored."""

    method: Method = "eap-ig-inputs"
    """How edges are scored."""
    steps: int = Field(default=5, ge=1, le=100)
    """Derivatives that EAP-IG averages."""
    threshold: float = Field(default=0.01, gt=0, le=100)
    """Nats by which the removal of an edge that ACDC keeps moves the answer."""
    mask_steps: int = Field(default=200, ge=1, le=10_000)
    """Steps in which masks are learnt."""
    limit: int | None = Field(default=None, ge=4, le=10_000)
    """Use no more pairs than this."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the halves, of random edges, masks and intervals."""


class DiscoverArguments(DiscoverBody):
    """What the job gets."""

    name: str
    """What the discovery is kept as."""
    reference: str = ""
    """What the model is opened by where its name alone does not say."""


class DiscoveryStarted(BaseModel):
    """A discovery that was asked for."""

    discovery: str
    """Its name; the same for the same request."""
    job: str | None
    """The job that makes it; null where the lab has it already."""


class Measure(BaseModel):
    """A measured number."""

    value: float
    """The number."""
    interval: Interval
    """95 % interval over pairs."""


class DiscoveryEntry(BaseModel):
    """A discovery in the list."""

    name: str
    """Its name."""
    model: str
    """The model."""
    set: str
    """The set of pairs; empty for own ones."""
    method: str
    """How edges were scored."""
    seed: int
    """Seed of the halves."""
    same_pairs: str
    """Hash of the pairs: discoveries that share it are of one task."""
    n_scored: int
    """Pairs that edges were scored on."""
    n_tried: int
    """Pairs that circuits were run on."""
    n_edges: int
    """Edges of the model."""
    areas: dict[str, Measure]
    """Area of the curve by order: CMD for size, CPR for score."""
    control_areas: dict[str, Measure]
    """Those of random edges."""
    updated: float
    """When it was kept, in seconds since 1970."""


class DiscoveryList(BaseModel):
    """The lab's discoveries."""

    items: list[DiscoveryEntry]
    """Latest first."""
    next: str | None
    """Where the next page begins."""
    total: int
    """How many there are."""
    damaged: dict[str, str]
    """Those of this page that could not be read, and why."""


class PointOut(BaseModel):
    """A circuit on the curve."""

    share: float
    """How many of all edges were asked for."""
    n_asked: int
    """The same as a count."""
    n_edges: int
    """Those of them on a path from the input to the logits."""
    n_nodes: int
    """Components that they touch."""
    faithfulness: Measure
    """Share of the answer that it gives back."""
    control: Measure
    """That of as many random edges."""


class CurveOut(BaseModel):
    """Circuits of growing size, edges taken in one order."""

    order: Order
    """By the size of the score, or by the score."""
    area: Measure
    """CMD where by size (0 is best), CPR where by score."""
    control_area: Measure
    """That of random edges."""
    points: list[PointOut]
    """The smallest circuit first."""


class EdgeOut(BaseModel):
    """An edge and its score."""

    edge: str
    """Its name, as the field writes it."""
    sender: str
    """The node that writes."""
    receiver: str
    """The node that reads."""
    read: Literal["q", "k", "v", ""]
    """What a head reads it for."""
    score: float
    """Mean over the scored pairs; above 0 it speaks for the clean prompt's answer."""
    interval: Interval | None
    """95 % interval over these pairs; null where there is none, or the edge is not among the strongest."""


class DiscoveryOut(BaseModel):
    """A kept discovery."""

    name: str
    """Its name."""
    model: str
    """The model."""
    set: str
    """The set of pairs; empty for own ones."""
    metric: str
    """logit or probability."""
    same_pairs: str
    """Hash of the pairs: discoveries that share it are of one task."""
    method: str
    """How edges were scored."""
    steps: int
    """Derivatives of EAP-IG."""
    threshold: float
    """Nats, of ACDC."""
    mask_steps: int
    """Steps of masks."""
    seed: int
    """Seed of the halves."""
    n_layers: int
    """Layers of the model."""
    n_heads: int
    """Heads of a layer."""
    n_edges: int
    """Edges of the model."""
    n_scored: int
    """Pairs that edges were scored on."""
    n_tried: int
    """Pairs that circuits were run on."""
    refused: list[str]
    """Why further pairs could not be read by this model."""
    clean: float
    """Mean metric of the clean runs of the tried pairs."""
    corrupted: float
    """That of the corrupted runs."""
    right: float
    """Share of tried pairs whose clean run prefers its answer and whose corrupted run the other."""
    curves: list[CurveOut]
    """By order."""
    strongest: list[EdgeOut]
    """The largest scores first, whatever their sign."""
    stability: FindingOut | None
    """Whether the strongest edges return; null where a method scores the set as a whole."""


class NodeOut(BaseModel):
    """A component of a circuit."""

    name: str
    """input, a3.h7 (a head), m3 (an MLP) or logits."""
    layer: int | None
    """Null for the input and the logits."""
    head: int | None
    """Null for what is no head."""


class CircuitOut(BaseModel):
    """Edges of one size of circuit."""

    order: Order
    """How edges were taken."""
    n_asked: int
    """How many were asked for."""
    n_edges: int
    """Those of them on a path from the input to the logits."""
    nodes: list[NodeOut]
    """Components at either end of all of these, in the order of the forward pass."""
    edges: list[EdgeOut]
    """The strongest of these first; no more than were asked for."""


class RunBody(BaseModel):
    """A circuit to run."""

    edges: _Count
    """How many of the strongest edges."""
    order: Order = "size"
    """How they are taken."""


@router.post("", status_code=202)
def start_discovery(body: Annotated[DiscoverBody, Body()], here: ResidentsHere, jobs: JobsHere) -> DiscoveryStarted:
    """Start the job that scores edges on one half of the pairs and runs their circuits on the other; it is kept."""
    given_pairs(body)
    name = discovery_name(body.task or "", body.model_dump())
    reference = here.reference(body.model)
    if name in discovery_names(here.lab):
        return DiscoveryStarted(discovery=name, job=None)
    arguments = DiscoverArguments(**body.model_dump(), name=name, reference=reference)
    return DiscoveryStarted(discovery=name, job=jobs.submit("discover", arguments.model_dump()).id)


@router.get("")
def list_discoveries(
    here: ResidentsHere, cursor: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> DiscoveryList:
    """Kept discoveries, latest first."""
    paths = {name: manifest_path(here.lab, name) for name in discovery_names(here.lab)}
    times = {name: path.stat().st_mtime if path.is_file() else 0.0 for name, path in paths.items()}
    names = sorted(times, key=lambda name: (-times[name], name))
    start = place_of(cursor)
    items, damaged = [], {}
    for name in names[start : start + limit]:
        try:
            items.append(_entry(name, read_manifest(paths[name]), times[name]))
        except BadArtefact as error:
            damaged[name] = str(error)
    return DiscoveryList(items=items, next=cursor_after(start, limit, len(names)), total=len(names), damaged=damaged)


@router.get("/{discovery}")
def get_discovery(discovery: str, here: ResidentsHere) -> DiscoveryOut:
    """A kept discovery."""
    return _discovery_out(discovery, here.discovery(discovery).manifest)


@router.delete("/{discovery}", status_code=204)
def delete_discovery(discovery: str, here: ResidentsHere) -> None:
    """Throw a kept discovery away."""
    throw_away(here.lab, discovery)


@router.get("/{discovery}/circuit")
def get_circuit(
    discovery: str,
    here: ResidentsHere,
    edges: _Count,
    order: Order = "size",
    most: Annotated[int, Query(ge=1, le=MAX_DRAWN)] = 300,
) -> CircuitOut:
    """The circuit of the strongest edges, those on no path from the input to the logits left out."""
    kept = here.discovery(discovery)
    graph, mask = kept.manifest.graph, kept.circuit(_count(kept, edges), order)
    intervals = {one.edge: one.interval for one in kept.manifest.strongest}
    found = [
        (graph.name(receiver, sender), float(kept.scores[receiver, sender]))
        for receiver, sender in mask.nonzero().tolist()
    ]
    found.sort(key=lambda one: (-abs(one[1]), one[0]))
    return CircuitOut(
        order=order,
        n_asked=edges,
        n_edges=len(found),
        nodes=[_node(name) for name in (*graph.nodes(mask), *([LOGITS] if found else []))],
        edges=[_edge(name, score, intervals.get(name)) for name, score in found[:most]],
    )


@router.get("/{discovery}/file", response_class=Response)
def circuit_file(discovery: str, here: ResidentsHere, edges: _Count, order: Order = "size") -> Response:
    """The circuit as JSON, with the score of every edge: what EAP-IG writes and the MIB benchmark reads."""
    kept = here.discovery(discovery)
    manifest = kept.manifest
    data = circuit_json(
        Circuit(manifest.graph, manifest.d_model, kept.scores, kept.circuit(_count(kept, edges), order))
    )
    headers = {"content-disposition": f'attachment; filename="{discovery}-{edges}.json"'}
    return Response(json.dumps(data), media_type="application/json", headers=headers)


@router.post("/{discovery}/run")
async def run_circuit(
    discovery: str, body: Annotated[RunBody, Body()], here: ResidentsHere, client: ClientHere
) -> FindingOut:
    """Run the circuit of the strongest edges on the tried pairs, beside as many random edges."""
    kept = here.discovery(discovery)
    _count(kept, body.edges)
    return await here.with_model(kept.manifest.model, client, partial(_run, kept=kept, name=discovery, body=body))


def discover_work(lab: Lab, arguments: DiscoverArguments) -> dict[str, Any]:
    """Score edges, measure their circuits and keep the discovery."""
    model = load(arguments.reference or arguments.model, name=arguments.model, lab=lab)
    given, metric = given_pairs(arguments)
    pairs, refused = readable_pairs(model, given, metric=metric)
    if arguments.limit is not None:
        pairs = pairs.some(slice(0, arguments.limit))
    settings = DiscoverSettings(
        method=arguments.method,
        steps=arguments.steps,
        threshold=arguments.threshold,
        mask_steps=arguments.mask_steps,
        seed=arguments.seed,
    )
    discover_and_keep(model, pairs, settings, lab, name=arguments.name, set_name=arguments.task or "", refused=refused)
    return {"discovery": arguments.name}


def _run(model: Model, kept: KeptDiscovery, name: str, body: RunBody) -> FindingOut:
    def run() -> FindingOut:
        require_same(open_components(model).graph, kept.manifest.graph)
        mask = kept.circuit(body.edges, body.order)
        return finding_out(circuit_finding(model, kept.pairs(model), mask, seed=kept.manifest.settings.seed))

    return remembered(model, f"circuit {name} {body.model_dump_json()}", run)


def _count(kept: KeptDiscovery, edges: int) -> int:
    """Raises:
    BadRequest: the model has not so many edges.
    """
    n = kept.manifest.graph.n_edges
    if edges > n:
        raise BadRequest(f"There are no {edges} edges.", f"{kept.manifest.model} has {n}.", "Ask for fewer.")
    return edges


def _entry(name: str, manifest: DiscoveryManifest, updated: float) -> DiscoveryEntry:
    return DiscoveryEntry(
        name=name,
        model=manifest.model,
        set=manifest.set,
        method=manifest.settings.method,
        seed=manifest.settings.seed,
        same_pairs=manifest.same_pairs,
        n_scored=manifest.n_scored,
        n_tried=len(manifest.tried),
        n_edges=manifest.graph.n_edges,
        areas={one.order: _measure(one.area) for one in manifest.curves},
        control_areas={one.order: _measure(one.control_area) for one in manifest.curves},
        updated=updated,
    )


def _discovery_out(name: str, manifest: DiscoveryManifest) -> DiscoveryOut:
    settings = manifest.settings
    return DiscoveryOut(
        name=name,
        model=manifest.model,
        set=manifest.set,
        metric=manifest.metric,
        same_pairs=manifest.same_pairs,
        method=settings.method,
        steps=settings.steps,
        threshold=settings.threshold,
        mask_steps=settings.mask_steps,
        seed=settings.seed,
        n_layers=manifest.n_layers,
        n_heads=manifest.n_heads,
        n_edges=manifest.graph.n_edges,
        n_scored=manifest.n_scored,
        n_tried=len(manifest.tried),
        refused=list(manifest.refused),
        clean=manifest.clean,
        corrupted=manifest.corrupted,
        right=manifest.right,
        curves=[_curve(one) for one in manifest.curves],
        strongest=[_edge(one.edge, one.score, one.interval) for one in manifest.strongest],
        stability=finding_out(manifest.stability) if manifest.stability else None,
    )


def _curve(curve: KeptCurve) -> CurveOut:
    points = [
        PointOut(
            share=one.share,
            n_asked=one.n_asked,
            n_edges=one.n_edges,
            n_nodes=one.n_nodes,
            faithfulness=_measure(one.faithfulness),
            control=_measure(control.faithfulness),
        )
        for one, control in zip(curve.points, curve.control, strict=True)
    ]
    return CurveOut.model_validate(
        {
            "order": curve.order,
            "area": _measure(curve.area),
            "control_area": _measure(curve.control_area),
            "points": points,
        }
    )


def _measure(estimate: Estimate) -> Measure:
    return Measure(value=estimate.value, interval=estimate.interval)


def _edge(name: str, score: float, interval: Interval | None) -> EdgeOut:
    sender, _, receiver = name.partition("->")
    node, _, read = receiver.rstrip(">").partition("<")
    return EdgeOut.model_validate(
        {"edge": name, "sender": sender, "receiver": node, "read": read, "score": score, "interval": interval}
    )


def _node(name: str) -> NodeOut:
    layer, _, head = name[1:].partition(".h")
    is_end = name in (INPUT, LOGITS)
    return NodeOut(name=name, layer=None if is_end else int(layer), head=int(head) if head else None)


JOBS: dict[str, JobKind] = {"discover": JobKind(arguments=DiscoverArguments, work=discover_work)}
