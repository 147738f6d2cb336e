"""The indexes of the lab: what is known of which dictionary's features."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

from hooke.dictionaries.formats.native import read_config
from hooke.dictionaries.load import STARTERS, find_dictionary
from hooke.errors import BadArtefact, HookeError
from hooke.features.index import build_index
from hooke.features.layout import has_map
from hooke.features.listing import Filters, Listing, unset
from hooke.features.meaning import encoder_of
from hooke.features.prepare import prepare
from hooke.features.query import Index
from hooke.features.store import MANIFEST
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.neurons import open_dictionary
from hooke.server.jobs import JobKind, JobsHere
from hooke.server.routes.features import Here, Provenance, provenance_of
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig

router = APIRouter(prefix="/api/indexes", tags=["indexes"])


class IndexOut(BaseModel):
    """One index."""

    index: str
    """Its name: what addresses call the dictionary."""
    dictionary: str
    """Name of the dictionary."""
    model: str
    """Name of the model."""
    site: str
    """Where the dictionary reads."""
    kind: str
    """'features' of a trained dictionary, or 'neurons'."""
    n_features: int
    """How many features there are."""
    n_alive: int
    """How many ever fired."""
    n_labelled: int
    """How many have a label that says something."""
    posting: str
    """What is kept beside the cards."""
    has_text: bool
    """Whether the text of the examples is here."""
    text_missing: str
    """Why it is not, and what to do; empty where it is."""
    has_map: bool
    """Whether the map was computed."""
    sources: list[str]
    """Parts of the corpus."""
    n_bytes: int
    """Size on disk."""
    meaning: str
    """The encoder that search by meaning uses."""
    provenance: Provenance
    """Where its numbers come from."""


class Unindexed(BaseModel):
    """A dictionary of the lab without an index, and what would build one."""

    dictionary: str
    """Its name."""
    model: str
    """Its model."""
    site: str
    """Where it reads."""
    n_features: int
    """How many features it has."""
    job: dict[str, Any]
    """Body for POST /api/jobs."""


class IndexList(BaseModel):
    """All indexes, and dictionaries that have none."""

    items: list[IndexOut]
    """By name."""
    next: str | None = None
    """Always null: a lab has few indexes."""
    total: int
    """How many there are."""
    unindexed: list[Unindexed]
    """Dictionaries without an index."""
    damaged: dict[str, str]
    """Indexes that could not be opened, and why."""


class JobStarted(BaseModel):
    """A job that was started."""

    job: str
    """Its id."""


class IndexArguments(BaseModel):
    """What an index is built of."""

    dictionary: str
    """A dictionary's name, or `neurons.L@MODEL`."""
    model: str | None = None
    """The model, where it is not the one that the dictionary names."""
    name: str | None = None
    """Name of the index; the dictionary's own unless given."""
    corpus: str = "default"
    """Reference of the corpus."""
    tokens: int = Field(default=1_000_000, ge=1, le=10**10)
    """How many tokens to read."""
    context: int = Field(default=256, ge=2, le=65_536)
    """Tokens in a window."""
    posting: str = "capped:4096"
    """'examples', 'capped:N' or 'full'."""


class NameArguments(BaseModel):
    """Which index."""

    dictionary: str
    """Name of the index."""


@router.get("")
def list_indexes(here: Here) -> IndexList:
    """The indexes of the lab and the starters."""
    items, damaged = [], {}
    for name in index_names(here.lab):
        try:
            items.append(describe(here.index(name)))
        except BadArtefact as error:
            damaged[name] = str(error)
    covered = {one.dictionary for one in items}
    unindexed = []
    for name in here.lab.names("dictionaries"):
        if name not in covered:
            try:
                unindexed.append(_unindexed(name, here.lab))
            except BadArtefact as error:
                damaged[name] = str(error)
    return IndexList(items=items, total=len(items), unindexed=unindexed, damaged=damaged)


@router.get("/{dictionary}")
def get_index(dictionary: str, here: Here) -> IndexOut:
    """One index."""
    return describe(here.index(dictionary))


@router.post("/{dictionary}/text", status_code=202)
def fetch_index_text(dictionary: str, here: Here, jobs: JobsHere) -> JobStarted:
    """Start the job that makes the text of an index's examples again from its corpus."""
    here.index(dictionary)
    return JobStarted(job=jobs.submit("text", {"dictionary": dictionary}).id)


def index_names(lab: Lab) -> list[str]:
    """Names of all indexes: the lab's, and those of the starters that the lab has no other of."""
    starters = [folder.parent.name for folder in sorted(STARTERS.glob("*/index")) if (folder / MANIFEST).is_file()]
    return sorted({*lab.names("features"), *starters})


def describe(index: Index) -> IndexOut:
    """An index as it is sent."""
    listing, manifest = Listing.of(index), index.manifest
    kinds = listing.select(Filters(), "number", False).facets["kind"]
    silent = sum(kinds.get(kind, 0) for kind in ("none", "rare", unset("kind")))
    return IndexOut(
        index=manifest.name,
        dictionary=manifest.dictionary,
        model=manifest.model,
        site=manifest.site,
        kind="neurons" if manifest.dictionary.startswith("neurons.") else "features",
        n_features=len(index),
        n_alive=int(np.count_nonzero(listing.n_active)),
        n_labelled=len(index) - silent,
        posting=manifest.posting,
        has_text=index.text is not None,
        text_missing=index.text_missing,
        has_map=has_map(index),
        sources=list(manifest.sources),
        n_bytes=sum(entry.bytes for entry in manifest.files.values()),
        meaning=encoder_of(index).about,
        provenance=provenance_of(index),
    )


def _unindexed(name: str, lab: Lab) -> Unindexed:
    config, _ = read_config(find_dictionary(name, lab=lab))
    return Unindexed(
        dictionary=config.name,
        model=config.model,
        site=config.reads[0],
        n_features=config.n_features,
        job={"kind": "index", "arguments": {"dictionary": name}},
    )


def build(lab: Lab, arguments: IndexArguments) -> dict[str, Any]:
    """Build an index and everything that makes it quick to ask."""
    dictionary, model = open_dictionary(
        arguments.dictionary, lambda ref: load(ref, lab=lab), model=arguments.model, lab=lab
    )
    name = arguments.name or dictionary.name
    windows = WindowConfig(context=arguments.context)
    corpus = open_corpus(arguments.corpus)
    build_index(
        model,
        dictionary,
        corpus,
        name=name,
        n_tokens=arguments.tokens,
        windows=windows,
        lab=lab,
        posting=arguments.posting,
    )
    prepare(Index.open(name, lab=lab), model)
    return {"dictionary": name}


def fetch_text(lab: Lab, arguments: NameArguments) -> dict[str, Any]:
    """Make the text of an index again from its corpus."""
    index = Index.open(arguments.dictionary, lab=lab)
    if index.text is None:
        model = load(index.manifest.model, lab=lab)
        index.fetch_text(model.tokenizer, open_corpus(index.manifest.corpus))
    return {"dictionary": arguments.dictionary}


def prepare_index(lab: Lab, arguments: NameArguments) -> dict[str, Any]:
    """Make everything that makes an index quick to ask."""
    index = Index.open(arguments.dictionary, lab=lab)
    try:
        model = load(index.manifest.model, lab=lab)
    except HookeError:
        # Without its model search by meaning knows less, and everything else is the same.
        model = None
    prepare(index, model)
    return {"dictionary": arguments.dictionary}


JOBS: dict[str, JobKind] = {
    "index": JobKind(arguments=IndexArguments, work=build),
    "text": JobKind(arguments=NameArguments, work=fetch_text),
    "prepare": JobKind(arguments=NameArguments, work=prepare_index),
}
