"""The map of a dictionary's features: a plane on which features that write alike lie close together."""

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from hooke.errors import HookeError
from hooke.server.routes.features import Here

router = APIRouter(prefix="/api/dictionaries/{dictionary}/map", tags=["map"])


class Cluster(BaseModel):
    """A group of features on the map."""

    cluster: int
    """Its number in the map's `cluster` array."""
    name: str
    """The most telling words of its labels; empty where there are none."""
    n: int
    """Features in it."""
    x: float
    """Where its middle is."""
    y: float
    """Where its middle is."""


class MapState(BaseModel):
    """Whether there is a map, and what it shows."""

    state: Literal["ready", "computing", "absent"]
    """'absent' until a job of the kind 'map' with {"dictionary": NAME} was run."""
    job: str | None
    """The job that computes it."""
    n_points: int
    """Features on the map; those that never fired are not on it."""
    clusters: list[Cluster]
    """Largest first."""
    method: str
    """How it was computed, and how far to trust distances."""


@router.get("/state")
async def map_state(dictionary: str, here: Here) -> MapState:
    """Whether the map is there; its clusters with their names."""
    raise HookeError("Not built yet.")


@router.get("", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
async def get_map(dictionary: str, here: Here) -> Response:
    """Safetensors with a row for each feature that fires.

    feature u32 · x, y f32 in [-1, 1] · density, score f16 (NaN where there is no label) · cluster u16.
    """
    raise HookeError("Not built yet.")
