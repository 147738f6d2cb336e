"""The indexes of the lab: what is known of which dictionary's features."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from hooke.errors import HookeError
from hooke.server.routes.features import Here, Provenance

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


@router.get("")
async def list_indexes(here: Here) -> IndexList:
    """The indexes of the lab and the starters."""
    raise HookeError("Not built yet.")


@router.get("/{dictionary}")
async def get_index(dictionary: str, here: Here) -> IndexOut:
    """One index."""
    raise HookeError("Not built yet.")


@router.post("/{dictionary}/text", status_code=202)
async def fetch_index_text(dictionary: str, here: Here) -> JobStarted:
    """Start the job that makes the text of an index's examples again from its corpus."""
    raise HookeError("Not built yet.")
