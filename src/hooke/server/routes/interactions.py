"""How a feature interacts with others, in its own dictionary and in those that the lab has it beside."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel

from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.features.feature_interactions import FeatureInteractions, feature_interactions
from hooke.features.interactions import Interactions, interactions_of
from hooke.features.layout import has_map, map_of
from hooke.features.query import Index
from hooke.findings import Finding
from hooke.server.routes.features import Here

router = APIRouter(prefix="/api/dictionaries/{dictionary}", tags=["interactions"])


class BesideOut(BaseModel):
    """One feature beside the features of one dictionary."""

    found: FeatureInteractions
    """What the run says."""
    labels: dict[int, str]
    """The best label of each feature that is told of; those without one are left out."""
    no_paths: str
    """Why there are no virtual weights; empty where there are."""
    false_alarms: float | None
    """The control: the share of features that have a partner by the same rule on the shifted text."""


class FeatureInteractionsOut(BaseModel):
    """What the lab knows of a feature's interactions."""

    items: list[BesideOut]
    """Its own dictionary first."""
    command: str
    """What computes those with its own dictionary."""
    command_with: str
    """What computes those with another one."""
    others: list[str]
    """Indexes of the same model that it is not held beside yet."""


class RunOut(BaseModel):
    """A run of the lab."""

    run: str
    """Its name."""
    indexes: list[str]
    """One index, or two."""
    n_counted: int
    """Tokens that counts are over."""
    findings: list[Finding]
    """What holds of all features together, beside controls."""


class RunList(BaseModel):
    """The runs that an index is part of."""

    items: list[RunOut]
    """Its own first."""


class Edge(BaseModel):
    """Two features that fire together beyond chance."""

    one: int
    """A feature."""
    other: int
    """Another one."""
    pmi: float
    """Pointwise mutual information in bits."""
    count: int
    """Tokens on which both fire."""


class EdgeList(BaseModel):
    """The strongest pairs."""

    items: list[Edge]
    """The strongest first: by PMI times the logarithm of the count."""
    command: str
    """What computes them; empty where they are here."""


@router.get("/features/{feature}/interactions")
def get_interactions(dictionary: str, feature: int, here: Here) -> FeatureInteractionsOut:
    """What a feature fires with, writes to, is elsewhere, and is split into; empty where nothing was computed."""
    index = here.index(dictionary)
    index.known(feature)
    items, name = [], index.manifest.name
    covered = {name}
    for run in interactions_of(here.lab, index):
        found = feature_interactions(run, run.side_of(index), feature)
        other = _other(here, found.index)
        items.append(_beside(run, found, other))
        covered.add(found.index)
    return FeatureInteractionsOut(
        items=items,
        command=f"hooke interactions {name}",
        command_with=f"hooke interactions {name} --with OTHER",
        others=sorted(_of_same_model(here, index) - covered),
    )


@router.get("/interactions")
def list_interactions(dictionary: str, here: Here) -> RunList:
    """The runs that an index is part of, with what holds of all features together."""
    runs = interactions_of(here.lab, here.index(dictionary))
    return RunList(
        items=[
            RunOut(
                run=run.manifest.name,
                indexes=list(run.manifest.spec.indexes),
                n_counted=run.manifest.n_counted,
                findings=list(run.manifest.findings),
            )
            for run in runs
        ]
    )


@router.get("/interactions/edges")
def get_edges(
    dictionary: str,
    here: Here,
    feature: Annotated[int | None, Query(ge=0)] = None,
    cluster: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 60,
) -> EdgeList:
    """The pairs that fire together most: those of a feature, of a group on the map, or of all features."""
    index = here.index(dictionary)
    chosen = _chosen(index, feature, cluster)
    own = next((run for run in interactions_of(here.lab, index) if len(run.manifest.spec.indexes) == 1), None)
    if own is None:
        return EdgeList(items=[], command=f"hooke interactions {index.manifest.name}")
    edges = own.edges(chosen, limit)
    return EdgeList(
        items=[Edge(one=one, other=other, pmi=pmi, count=count) for one, other, pmi, count in edges], command=""
    )


def _chosen(index: Index, feature: int | None, cluster: int | None) -> np.ndarray:
    """The features whose pairs are asked for.

    Raises:
        UnknownName: there is no such feature or group, or no map.
    """
    if feature is not None and cluster is not None:
        raise BadRequest("A feature and a group were given.", "", "Give one of them.")
    if feature is not None:
        return np.array([index.known(feature)])
    if cluster is None:
        return np.arange(len(index))
    if not has_map(index):
        raise UnknownName(f"There is no map of '{index.manifest.name}' yet.", "", "Run the job 'map' for it.")
    drawn = map_of(index)
    if not (inside := drawn.group == cluster).any():
        raise UnknownName(f"The map has no group {cluster}.", f"It has {len(drawn.groups)}.", "Choose one of them.")
    return drawn.features[inside].astype(np.int64)


def _other(here: Here, name: str) -> Index | None:
    """The index that other features are of, for their labels; None where it is gone."""
    try:
        return here.index(name)
    except (UnknownName, BadArtefact):
        return None


def _of_same_model(here: Here, index: Index) -> set[str]:
    found = set()
    for name in here.lab.names("features"):
        other = _other(here, name)
        if other is not None and other.manifest.model == index.manifest.model:
            found.add(other.manifest.name)
    return found


def _beside(run: Interactions, found: FeatureInteractions, other: Index | None) -> BesideOut:
    labels = other.labels.of_many(sorted(found.named)) if other is not None else {}
    alarms = (one.control for one in run.manifest.findings if one.claim.endswith("with a partner beyond chance"))
    return BesideOut(
        found=found,
        labels={feature: some[0].text for feature, some in labels.items() if some},
        no_paths=run.manifest.no_paths,
        false_alarms=next(alarms, None),
    )
