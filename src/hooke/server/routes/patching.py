"""Patching: estimates of every cell at once, exact runs of single cells, and the job that runs every cell."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Body
from pydantic import BaseModel, Field

from hooke.circuits.pairs import Pairs, readable_pairs
from hooke.circuits.patch import Patching, PatchSettings, cell_findings, patch
from hooke.errors import BadRequest
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.remembered import remembered
from hooke.server.residents import ClientHere, ResidentsHere
from hooke.server.routes.features import known
from hooke.server.routes.graphs import FindingOut, finding_out
from hooke.server.routes.indexes import JobStarted
from hooke.server.routes.prompts import vocabulary_of
from hooke.text.pairs import PromptPair
from hooke.text.tasks import TASKS, task

router = APIRouter(prefix="/api", tags=["patching"])

MAX_PAIRS = 200
"""Pairs that one request may bring."""
MAX_CELLS = 24
"""Cells that one request may have run, since others wait for the model meanwhile."""
_Token = Annotated[str, Field(min_length=1, max_length=100)]
Kind = Literal["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "heads"]


class PairBody(BaseModel):
    """Two prompts that differ in what decides the answer."""

    clean: str = Field(min_length=1, max_length=4000)
    """The prompt whose answer is asked for."""
    corrupted: str = Field(min_length=1, max_length=4000)
    """The same with something changed; as many tokens."""
    answers: list[_Token] = Field(min_length=1, max_length=50)
    """Right after the clean prompt, each one token."""
    wrong: list[_Token] = Field(min_length=1, max_length=50)
    """What they are compared with."""


class TaskOut(BaseModel):
    """A set of pairs that comes with hooke."""

    name: str
    """Its name."""
    about: str
    """One sentence."""
    metric: str
    """logit or probability."""
    pairs: list[PairBody]
    """Its pairs; which of them a model can read depends on its tokenizer."""


class TaskList(BaseModel):
    """The sets that come with hooke."""

    items: list[TaskOut]
    """In their own order."""
    next: str | None
    """Always null."""
    total: int
    """How many there are."""


class PairsBody(BaseModel):
    """A set of pairs by name, or own pairs, and the model that reads them."""

    task: str | None = Field(default=None, max_length=100)
    """A set that comes with hooke; either this or pairs."""
    model: str = Field(max_length=200)
    """The model."""
    pairs: list[PairBody] | None = Field(default=None, min_length=1, max_length=MAX_PAIRS)
    """Own pairs."""
    metric: Literal["logit", "probability"] | None = None
    """How a run is judged; a set's own, else logit."""


class PatchBody(PairsBody):
    """Which pairs, what is patched, and how."""

    kind: Kind = "resid_post"
    """What is patched."""
    way: Literal["denoising", "noising"] = "denoising"
    """denoising: clean values into the corrupted run; noising: the other way."""
    value: Literal["counterfactual", "mean", "zero", "noise"] = "counterfactual"
    """What the corrupted side is."""
    by: Literal["parts", "positions"] = "parts"
    """How tokens are told apart; heads are patched at all of them."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of noise, controls and intervals."""


class CellsBody(PatchBody):
    """Cells to run."""

    cells: list[tuple[int, int]] = Field(min_length=1, max_length=MAX_CELLS)
    """Layer and column of each."""


class PatchArguments(PatchBody):
    """What the job gets."""

    reference: str = ""
    """What the model is opened by where its name alone does not say."""


class PatchMap(BaseModel):
    """The effect of every cell."""

    model: str
    """The model."""
    set: str
    """The set's name; empty for own pairs."""
    metric: str
    """logit or probability."""
    method: str
    """exact, or attribution: a first-order estimate."""
    n_pairs: int
    """Pairs that were read."""
    refused: list[str]
    """Why others could not be read by this model."""
    clean: float
    """Mean metric of the clean runs."""
    corrupted: float
    """Mean metric of the corrupted runs."""
    right: float
    """Share of pairs on which the clean run prefers its answer and the corrupted run the other."""
    columns: list[str]
    """What the cells of a layer are: parts, tokens of the clean prompt, or numbers of positions or heads."""
    other: list[str] | None
    """Tokens of the corrupted prompt, where there is one pair and its positions are the columns."""
    effects: list[list[float | None]]
    """By layer and column: 0 where the run stays as it was, 1 where it answers as the other does; null: no part."""


class CellOut(FindingOut):
    """A cell that was run."""

    layer: int
    """Its layer."""
    column: int
    """Its column."""


class CellList(BaseModel):
    """Cells that were run, each beside a random direction put in at the same place."""

    items: list[CellOut]
    """In the order in which they were asked for."""


@router.get("/tasks")
def list_tasks() -> TaskList:
    """The sets of prompt pairs that come with hooke."""
    items = [
        TaskOut(name=name, about=one.about, metric=one.metric, pairs=[_pair_out(pair) for pair in one.pairs()])
        for name, one in TASKS.items()
    ]
    return TaskList(items=items, next=None, total=len(items))


@router.post("/patching")
async def estimate_patching(body: Annotated[PatchBody, Body()], here: ResidentsHere, client: ClientHere) -> PatchMap:
    """First-order estimates of all cells from one backward pass; nothing is kept on disk."""
    _require(body)
    return await here.with_model(body.model, client, partial(_estimated, body=body))


@router.post("/patching/cells")
async def run_cells(body: Annotated[CellsBody, Body()], here: ResidentsHere, client: ClientHere) -> CellList:
    """Some cells patched exactly, with intervals over the pairs and their control."""
    _require(body)
    return await here.with_model(body.model, client, partial(_run_cells, body=body))


@router.post("/patching/exact", status_code=202)
def run_patching(body: Annotated[PatchBody, Body()], here: ResidentsHere, jobs: JobsHere) -> JobStarted:
    """Start the job that patches every cell exactly; its result is a map as that of estimates."""
    _require(body)
    arguments = PatchArguments(**body.model_dump(), reference=here.reference(body.model))
    return JobStarted(job=jobs.submit("patch", arguments.model_dump()).id)


def patch_work(lab: Lab, arguments: PatchArguments) -> dict[str, Any]:
    """Patch every cell of a set."""
    model = load(arguments.reference or arguments.model, name=arguments.model, lab=lab)
    found = patch_map(model, arguments, "exact")
    return found.model_dump(mode="json")


def patch_map(model: Model, body: PatchBody, method: str) -> PatchMap:
    """The effects of all cells."""
    pairs, refused = _read(model, body)
    found = patch(model, pairs, _settings(body, method))
    columns, other = _columns(model, pairs, found)
    return PatchMap(
        model=model.name,
        set=body.task or "",
        metric=pairs.metric,
        method=method,
        n_pairs=len(pairs),
        refused=refused,
        clean=float(found.clean.mean()),
        corrupted=float(found.corrupted.mean()),
        right=found.right,
        columns=columns,
        other=other,
        effects=[[known(float(value)) for value in row] for row in found.effects],
    )


def _require(body: PatchBody) -> None:
    """Raises:
    BadRequest: the settings do not go together, or the pairs are not given; see `given_pairs`.
    UnknownName: there is no such set.
    """
    _settings(body, "exact")
    given_pairs(body)


def given_pairs(body: PairsBody) -> tuple[Sequence[PromptPair], str]:
    """The pairs that are asked for and their metric.

    Raises:
        BadRequest: both or neither of a set and own pairs are given.
        UnknownName: there is no such set.
    """
    if (body.task is None) == (body.pairs is None):
        raise BadRequest("Pairs of prompts are needed.", "Found neither a task nor pairs, or both.", "Give one.")
    if body.task is not None:
        own = task(body.task)
        return own.pairs(), body.metric or own.metric
    pairs = [
        PromptPair(clean=one.clean, corrupted=one.corrupted, answers=tuple(one.answers), wrong=tuple(one.wrong))
        for one in body.pairs or []
    ]
    return pairs, body.metric or "logit"


def _settings(body: PatchBody, method: str) -> PatchSettings:
    return PatchSettings(kind=body.kind, way=body.way, value=body.value, method=method, by=body.by, seed=body.seed)


def _read(model: Model, body: PatchBody) -> tuple[Pairs, list[str]]:
    given, metric = given_pairs(body)
    return readable_pairs(model, given, metric=metric)


def _estimated(model: Model, body: PatchBody) -> PatchMap:
    key = f"patching {body.model_dump_json(include=set(PatchBody.model_fields))}"
    return remembered(model, key, lambda: patch_map(model, body, "attribution"))


def _run_cells(model: Model, body: CellsBody) -> CellList:
    pairs, _ = _read(model, body)
    settings = _settings(body, "exact")
    key = body.model_dump_json(exclude={"cells"})

    def run(cells: Sequence[tuple[int, int]]) -> list[CellOut]:
        real = patch(model, pairs, settings, cells=cells)
        for layer, column in cells:
            if np.isnan(real.changes[:, layer, column]).all():
                raise BadRequest(
                    f"No pair has a token at '{real.columns[column]}'.",
                    f"Layer {layer}.",
                    "Choose a cell with a value.",
                )
        found = cell_findings(model, pairs, real, cells)
        return [
            CellOut(layer=layer, column=column, **finding_out(finding).model_dump())
            for (layer, column), finding in zip(cells, found, strict=True)
        ]

    return CellList(items=remembered(model, f"cells {key} {body.cells}", lambda: run(list(dict.fromkeys(body.cells)))))


def _columns(model: Model, pairs: Pairs, found: Patching) -> tuple[list[str], list[str] | None]:
    """Names of the columns, and where they are the tokens of one pair, those of its other prompt."""
    if found.settings.kind == "heads" or found.settings.by == "parts" or len(pairs) > 1:
        return list(found.columns), None
    texts = vocabulary_of(model).texts
    clean, corrupted = (one.ids[0, : len(found.columns)].tolist() for one in (pairs.clean, pairs.corrupted))
    return list(texts(clean)), list(texts(corrupted))


def _pair_out(pair: PromptPair) -> PairBody:
    return PairBody(clean=pair.clean, corrupted=pair.corrupted, answers=list(pair.answers), wrong=list(pair.wrong))


JOBS: dict[str, JobKind] = {"patch": JobKind(arguments=PatchArguments, work=patch_work)}
