"""Path patching: the job that tries every sender's way to chosen receivers, and single senders beside their control."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from hooke.circuits.components import open_components
from hooke.circuits.edges import INPUT
from hooke.circuits.pairs import readable_pairs
from hooke.circuits.path_patching import PathSettings, path_findings, path_patch
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.remembered import remembered
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.graphs import FindingOut, finding_out
from hooke.server.routes.indexes import JobStarted
from hooke.server.routes.patching import PairsBody, given_pairs

router = APIRouter(prefix="/api/patching/paths", tags=["patching"])

MAX_SENDERS = 24
"""Senders that one request may have run."""
_Node = Annotated[str, Field(min_length=1, max_length=40)]


class PathsBody(PairsBody):
    """Which pairs, and which paths are patched."""

    receivers: list[_Node] = Field(default=["logits"], min_length=1, max_length=32)
    """Where paths end: logits, m5 (an MLP), a5.h2 (a head), a5.h2<q> (its query; <k>, <v>)."""
    through: Literal["mlps", "nothing"] = "mlps"
    """What answers to the change between sender and receivers."""
    way: Literal["denoising", "noising"] = "denoising"
    """denoising: clean values into the corrupted run; noising: the other way."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of controls and intervals."""


class SendersBody(PathsBody):
    """Senders to run beside their control."""

    senders: list[_Node] = Field(min_length=1, max_length=MAX_SENDERS)
    """input, a3.h7 (a head) or m3 (an MLP)."""


class PathArguments(PathsBody):
    """What the job gets."""

    reference: str = ""
    """What the model is opened by where its name alone does not say."""


class PathMap(BaseModel):
    """What every sender carries to the answer by way of the receivers."""

    model: str
    """The model."""
    set: str
    """The set's name; empty for own pairs."""
    metric: str
    """logit or probability."""
    n_pairs: int
    """Pairs that were read."""
    refused: list[str]
    """Why others could not be read by this model."""
    clean: float
    """Mean metric of the clean runs."""
    corrupted: float
    """Mean metric of the corrupted runs."""
    columns: list[str]
    """Numbers of heads, and the MLP."""
    effects: list[list[float | None]]
    """By layer and column: 1 where a sender's paths alone turn one answer into the other; null: before no receiver."""
    input: float
    """The effect of the embeddings' paths."""


class SenderOut(FindingOut):
    """A sender that was run."""

    sender: str
    """Its name."""


class SenderList(BaseModel):
    """Senders that were run, each beside a random direction by the same paths."""

    items: list[SenderOut]
    """In the order in which they were asked for."""


@router.post("", status_code=202)
def run_paths(body: Annotated[PathsBody, Body()], here: ResidentsHere, jobs: JobsHere) -> JobStarted:
    """Start the job that patches the paths of every component that stands before a receiver."""
    given_pairs(body)
    arguments = PathArguments(**body.model_dump(), reference=here.reference(body.model))
    return JobStarted(job=jobs.submit("paths", arguments.model_dump()).id)


@router.get("/{job}")
def paths_map(job: str, jobs: JobsHere) -> PathMap:
    """What a job found that is done."""
    found = jobs.get(job)
    if found.kind != "paths" or found.state != "done":
        raise BadRequest(f"The job {found.id} has no map of paths.", f"It is of kind {found.kind}, {found.state}.", "")
    return PathMap.model_validate(found.result)


@router.post("/senders")
async def run_senders(body: Annotated[SendersBody, Body()], here: ResidentsHere, client: ClientHere) -> SenderList:
    """The paths of some senders, with intervals over the pairs and their control."""
    given_pairs(body)
    return await here.with_model(body.model, client, partial(_run_senders, body=body))


def paths_work(lab: Lab, arguments: PathArguments) -> dict[str, Any]:
    """Patch the paths of every sender."""
    model = load(arguments.reference or arguments.model, name=arguments.model, lab=lab)
    given, metric = given_pairs(arguments)
    pairs, refused = readable_pairs(model, given, metric=metric)
    found = path_patch(model, pairs, _settings(arguments))
    clean, corrupted = (found.other, found.base) if arguments.way == "denoising" else (found.base, found.other)
    effects = dict(zip(found.senders, found.effects.tolist(), strict=True))
    graph = open_components(model).graph
    heads = range(graph.n_heads)
    rows = [
        [*(effects.get(f"a{layer}.h{head}") for head in heads), effects.get(f"m{layer}")]
        for layer in range(graph.n_layers)
    ]
    return PathMap(
        model=model.name,
        set=arguments.task or "",
        metric=pairs.metric,
        n_pairs=len(pairs),
        refused=refused,
        clean=float(clean.mean()),
        corrupted=float(corrupted.mean()),
        columns=[*map(str, heads), "MLP"],
        effects=rows,
        input=effects[INPUT],
    ).model_dump(mode="json")


def _run_senders(model: Model, body: SendersBody) -> SenderList:
    def run() -> SenderList:
        given, metric = given_pairs(body)
        pairs, _ = readable_pairs(model, given, metric=metric)
        senders = list(dict.fromkeys(body.senders))
        found = path_patch(model, pairs, _settings(body), senders=senders)
        findings = path_findings(model, pairs, found, senders)
        return SenderList(
            items=[
                SenderOut(sender=sender, **finding_out(finding).model_dump())
                for sender, finding in zip(senders, findings, strict=True)
            ]
        )

    return remembered(model, f"paths {body.model_dump_json()}", run)


def _settings(body: PathsBody) -> PathSettings:
    return PathSettings(receivers=tuple(body.receivers), through=body.through, way=body.way, seed=body.seed)


JOBS: dict[str, JobKind] = {"paths": JobKind(arguments=PathArguments, work=paths_work)}
