"""The map of a dictionary's features: a plane on which features that write alike lie close together."""

from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Response
from pydantic import BaseModel

from hooke.errors import UnknownName
from hooke.features.layout import METHOD, has_map, map_of
from hooke.features.listing import Listing
from hooke.features.query import Index
from hooke.lab import Lab
from hooke.server.arrays import arrays_response
from hooke.server.jobs import JobKind
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

    state: Literal["ready", "absent"]
    """'absent' until a job of the kind 'map' with {"dictionary": NAME} was run."""
    n_points: int
    """Features on the map; those that never fired are not on it."""
    clusters: list[Cluster]
    """Largest first."""
    method: str
    """How it is computed, and how far to trust distances."""


@router.get("/state")
def map_state(dictionary: str, here: Here) -> MapState:
    """Whether the map is there; its clusters with their names."""
    index = here.index(dictionary)
    if not has_map(index):
        return MapState(state="absent", n_points=0, clusters=[], method=METHOD)
    drawn = map_of(index)
    clusters = [Cluster(cluster=one.number, name=one.name, n=one.n, x=one.x, y=one.y) for one in drawn.groups]
    return MapState(state="ready", n_points=len(drawn.features), clusters=clusters, method=METHOD)


@router.get("", response_class=Response, responses={200: {"content": {"application/octet-stream": {}}}})
def get_map(dictionary: str, here: Here) -> Response:
    """Safetensors with a row for each feature that fires.

    feature u32 · x, y f32 in [-1, 1] · density, score f16 (NaN where there is no score) · cluster u16.
    """
    index = here.index(dictionary)
    if not has_map(index):
        raise UnknownName(
            f"There is no map of '{dictionary}' yet.", "", "Run the job 'map' for it; it takes seconds to minutes."
        )
    drawn, listing = map_of(index), Listing.of(index)
    return arrays_response(
        {
            "feature": drawn.features,
            "x": np.ascontiguousarray(drawn.places[:, 0]),
            "y": np.ascontiguousarray(drawn.places[:, 1]),
            "density": listing.density[drawn.features].astype(np.float16),
            "score": listing.score[drawn.features].astype(np.float16),
            "cluster": drawn.group,
        }
    )


class MapArguments(BaseModel):
    """What a map is drawn of."""

    dictionary: str
    """Name of the index."""


def draw_map(lab: Lab, arguments: MapArguments) -> dict[str, Any]:
    """Draw the map of an index; how many features are on it."""
    return {
        "dictionary": arguments.dictionary,
        "n_points": len(map_of(Index.open(arguments.dictionary, lab=lab)).features),
    }


JOBS: dict[str, JobKind] = {"map": JobKind(arguments=MapArguments, work=draw_map)}
