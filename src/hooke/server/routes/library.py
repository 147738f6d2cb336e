"""What there is: the home page's contents, and the box that opens any id or address."""

import re
import shutil
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from hooke.dictionaries.carried import Carried, how_to_measure, read_carried
from hooke.dictionaries.formats.native import read_config
from hooke.dictionaries.formats.native_sets import is_crosslayer, is_set
from hooke.dictionaries.load import STARTERS, find_dictionary
from hooke.errors import BadArtefact, BadRequest, UnknownName, did_you_mean
from hooke.models.zoo import ZOO
from hooke.server.jobs import JobsHere
from hooke.server.residents import Residents, residents_of
from hooke.server.routes.health import device_name, versions
from hooke.server.routes.indexes import index_names
from hooke.sites import parse_feature

router = APIRouter(prefix="/api", tags=["library"])
Here = Annotated[Residents, Depends(residents_of)]


class ModelEntry(BaseModel):
    """A model that can be opened."""

    name: str
    """Its name."""
    is_loaded: bool
    """Whether it is in memory."""
    is_in_lab: bool
    """Whether it was converted already."""


class Completeness(BaseModel):
    """Shares of the loss that a dictionary's features and their error carry, each by itself."""

    features: float
    """What the features carry."""
    features_interval: tuple[float, float]
    """Its 95 % interval."""
    error: float
    """What their error carries."""
    error_interval: tuple[float, float]
    """Its 95 % interval."""
    measured_on: str
    """Windows and text."""


class DictionaryEntry(BaseModel):
    """A dictionary."""

    name: str
    """Its name."""
    model: str
    """Its model."""
    site: str
    """Where it reads."""
    kind: str
    """Its kind."""
    n_features: int
    """How many features it has."""
    index: str | None
    """Its index, where there is one."""
    is_starter: bool
    """Whether it comes with hooke."""
    completeness: Completeness | None
    """What its features and their error carry; None where that was not measured."""
    how_to_measure: str
    """The command that measures it."""


class RunEntry(BaseModel):
    """A training run."""

    name: str
    """Its name."""
    is_finished: bool
    """Whether its dictionary is there."""


class JobCounts(BaseModel):
    """How many jobs there are, by how they stand."""

    queued: int
    """Waiting."""
    running: int
    """At work."""
    failed: int
    """Failed or interrupted."""


class Disk(BaseModel):
    """Bytes of the disk that the lab is on."""

    used: int
    """In use."""
    free: int
    """Free."""


class Library(BaseModel):
    """What there is."""

    lab: str
    """The lab's folder."""
    models: list[ModelEntry]
    """Models that can be opened."""
    dictionaries: list[DictionaryEntry]
    """Dictionaries, with and without an index."""
    runs: list[RunEntry]
    """Training runs."""
    jobs: JobCounts
    """Jobs."""
    disk: Disk
    """Room."""
    device: str
    """Where models run."""
    read_only: bool
    """Whether no model may be loaded."""
    versions: dict[str, str]
    """Versions."""
    damaged: dict[str, str]
    """What could not be opened, and why."""


class Address(BaseModel):
    """Where a thing is in the microscope."""

    kind: str
    """What it is: feature, dictionary, model, prompt or run."""
    address: str
    """Its page."""


@router.get("/library")
def get_library(here: Here, jobs: JobsHere) -> Library:
    """Everything that the lab and hooke itself have to open."""
    dictionaries, damaged = _dictionaries(here)
    states = [job.state for job in jobs.list()]
    space = shutil.disk_usage(next(path for path in (here.lab.root, *here.lab.root.parents) if path.exists()))
    return Library(
        lab=str(here.lab.root),
        models=_models(here),
        dictionaries=dictionaries,
        runs=_runs(here),
        jobs=JobCounts(
            queued=states.count("queued"),
            running=states.count("running"),
            failed=states.count("failed") + states.count("interrupted"),
        ),
        disk=Disk(used=space.used, free=space.free),
        device=device_name(),
        read_only=here.read_only,
        versions=versions(),
        damaged=damaged,
    )


@router.get("/resolve")
def resolve(q: Annotated[str, Query(min_length=1, max_length=300)], here: Here, index: str | None = None) -> Address:
    """The page of whatever a text names.

    Takes `resid_post.15/12@smollm2-res`, `resid_post.15/12`, `smollm2-res/12`, a number (of `index`, or of the only
    index), a dictionary, a model, an address of this microscope, and a Neuronpedia link of a feature whose dictionary
    has its name here.
    """
    text = q.strip()
    indexes = index_names(here.lab)
    if text.startswith(("http://", "https://")):
        return _from_link(text, here, indexes)
    if "@" in text:
        name = parse_feature(text)
        return _feature(here, _index_of(here, name.dictionary or "", indexes), name.index)
    if re.fullmatch(r"\d{1,9}", text):
        return _feature(here, index or (indexes[0] if len(indexes) == 1 else _several(indexes)), int(text))
    name, slash, number = text.rpartition("/")
    if slash and re.fullmatch(r"\d{1,9}", number):
        at_site = [one for one in indexes if name not in indexes and here.index(one).manifest.site == name]
        return _feature(here, at_site[0] if len(at_site) == 1 else _index_of(here, name, indexes), int(number))
    if text in indexes or text in here.lab.names("dictionaries"):
        return Address(kind="dictionary", address=f"/d/{quote(text)}")
    if text in here.model_names():
        return Address(kind="model", address=f"/m/{quote(text)}")
    names = [*indexes, *here.lab.names("dictionaries"), *here.model_names()]
    raise UnknownName(
        f"Nothing here is called '{text[:80]}'.",
        did_you_mean(text, names) or f"There are: {', '.join(names[:8])}.",
        "Type a feature (resid_post.15/12@NAME or NAME/12), a dictionary or a model; for words use the search.",
    )


def _from_link(text: str, here: Residents, indexes: list[str]) -> Address:
    try:
        link = urlsplit(text)
    except ValueError:
        raise BadRequest("That is no link.", f"Found {text[:80]!r}.", "Copy it from the browser's address.") from None
    host, parts = link.netloc, [part for part in link.path.split("/") if part]
    is_feature = len(parts) >= 3 and parts[-1].isdigit() and len(parts[-1]) < 10
    if host.removeprefix("www.") in ("neuronpedia.org",) and is_feature:
        return _feature(here, _index_of(here, parts[-2], indexes), int(parts[-1]))
    if len(parts) == 4 and parts[0] == "d" and parts[2] == "f" and is_feature:
        return _feature(here, _index_of(here, parts[1], indexes), int(parts[3]))
    raise BadRequest(
        "That link leads to nothing here.",
        f"Its host is {host[:80]!r}.",
        "Give a link of a feature: https://www.neuronpedia.org/MODEL/DICTIONARY/NUMBER, or an address of this page.",
    )


def _feature(here: Residents, index: str, number: int) -> Address:
    opened = here.index(index)
    opened.label(number)
    return Address(kind="feature", address=f"/d/{quote(index)}/f/{number}")


def _index_of(here: Residents, dictionary: str, indexes: list[str]) -> str:
    if dictionary in indexes:
        return dictionary
    for name in indexes:
        if here.index(name).manifest.dictionary == dictionary:
            return name
    raise UnknownName(
        f"No index of a dictionary '{dictionary[:80]}'.",
        did_you_mean(dictionary, indexes) or f"There are: {', '.join(indexes[:8])}.",
        "Build one: hooke index DICTIONARY",
    )


def _several(indexes: list[str]) -> str:
    raise BadRequest(
        "A number alone does not say which dictionary is meant.",
        f"There are: {', '.join(indexes[:8])}.",
        "Write DICTIONARY/NUMBER.",
    )


def _models(here: Residents) -> list[ModelEntry]:
    loaded, kept = here.loaded(), here.lab.names("models")
    return [
        ModelEntry(
            name=name,
            is_loaded=name in loaded,
            is_in_lab=name in kept or (name in ZOO and any(one.startswith(name) for one in kept)),
        )
        for name in here.model_names()
    ]


def _dictionaries(here: Residents) -> tuple[list[DictionaryEntry], dict[str, str]]:
    found: dict[str, DictionaryEntry] = {}
    damaged: dict[str, str] = {}
    starters = [folder.name for folder in sorted(STARTERS.iterdir())] if STARTERS.is_dir() else []
    for name in [*starters, *here.lab.names("dictionaries")]:
        try:
            folder = find_dictionary(name, lab=here.lab)
            if is_set(folder) or is_crosslayer(folder):
                continue  # they stand in for a model's MLPs; the pages show single dictionaries
            config, _ = read_config(folder)
        except (BadArtefact, UnknownName) as error:
            damaged[name] = str(error)
            continue
        found[name] = DictionaryEntry(
            name=name,
            model=_model_name(here, config.model),
            site=config.reads[0],
            kind=config.kind,
            n_features=config.n_features,
            index=None,
            is_starter=name in starters and name not in here.lab.names("dictionaries"),
            completeness=_completeness(read_carried(folder, here.lab)),
            how_to_measure=how_to_measure(name),
        )
    for name in index_names(here.lab):
        try:
            manifest = here.index(name).manifest
        except BadArtefact as error:
            damaged[name] = str(error)
            continue
        of = found.get(manifest.dictionary)
        if of is not None and of.index is None:
            of.index = name
        else:
            found[f"index {name}"] = DictionaryEntry(
                name=manifest.dictionary,
                model=_model_name(here, manifest.model),
                site=manifest.site,
                kind="index only" if of is None else of.kind,
                n_features=manifest.n_features,
                index=name,
                is_starter=False,
                completeness=None if of is None else of.completeness,
                how_to_measure=how_to_measure(manifest.dictionary),
            )
    return list(found.values()), damaged


def _completeness(found: Carried | None) -> Completeness | None:
    if found is None:
        return None
    return Completeness(
        features=found.features.value,
        features_interval=found.features.interval,
        error=found.error.value,
        error_interval=found.error.interval,
        measured_on=f"{found.n_windows} windows of {found.corpus}",
    )


def _model_name(here: Residents, model: str) -> str:
    """What requests call a model that a dictionary may know by the path of its folder."""
    names = here.model_names()
    called = Path(model).name.removesuffix(".gguf")
    return called if model not in names and called in names else model


def _runs(here: Residents) -> list[RunEntry]:
    folder = here.lab.root / "dictionaries"
    if not folder.is_dir():
        return []
    done = [
        path.parent.name for path in sorted(folder.glob("*/training.jsonl")) if not path.parent.name.startswith(".")
    ]
    unfinished = [_run_name(path.parent) for path in sorted(folder.glob(".*.training/training.jsonl"))]
    entries = [RunEntry(name=name, is_finished=True) for name in done]
    return entries + [RunEntry(name=name, is_finished=False) for name in unfinished if name not in done]


def _run_name(folder: Path) -> str:
    return folder.name.removeprefix(".").removesuffix(".training")
