"""Discoveries kept in the lab: `circuits/NAME/`.

discovery.json         what was asked, the curves beside their controls, the strongest edges, the pairs that were tried
scores.safetensors     scores [receiver, sender], mean over the scored pairs: from these every circuit is cut
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from safetensors.torch import load_file, save_file
from torch import Tensor

from hooke.circuits.components import open_components
from hooke.circuits.discover import DiscoverSettings, Discovery, discover_and_measure
from hooke.circuits.edges import EdgeGraph
from hooke.circuits.faithfulness import ORDERS, Curve, Point, strongest
from hooke.circuits.pairs import Pairs, open_pairs
from hooke.configs import content_hash, from_dict, to_dict
from hooke.errors import BadArtefact, BadConfig, UnknownName
from hooke.findings import Estimate, Finding, Interval
from hooke.lab import Lab, provenance, read_json, staged, write_json
from hooke.models.model import Model
from hooke.tensor_files import read_header
from hooke.text.pairs import PromptPair

MANIFEST = "discovery.json"
_ROOM, _SCORES, _PROVENANCE = "circuits", "scores.safetensors", "provenance.json"
_STRONGEST = 300
"""Edges that are kept with an interval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptCurve:
    """Circuits of growing size beside as many random edges."""

    order: str
    """size or score."""
    points: tuple[Point, ...]
    """By share."""
    control: tuple[Point, ...]
    """The same shares of random edges."""
    area: Estimate
    """CMD where edges are taken by size, CPR where by score."""
    control_area: Estimate
    """That of random edges."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredEdge:
    """An edge and what it matters."""

    edge: str
    """Its name."""
    score: float
    """Mean over the scored pairs."""
    interval: Interval | None
    """95 % over these pairs; None of a score of the set as a whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryManifest:
    """What is known of a discovery without the scores of all edges."""

    name: str
    """Its name."""
    model: str
    """The model."""
    n_layers: int
    """Layers of the model."""
    n_heads: int
    """Heads of a layer."""
    is_parallel: bool
    """Whether attention and MLP of a layer read the same stream."""
    d_model: int
    """Width of the stream."""
    set: str
    """Name of the set of pairs; empty for own pairs."""
    metric: str
    """logit or probability."""
    same_pairs: str
    """Hash of all pairs and the metric: discoveries that share it are of one task."""
    settings: DiscoverSettings
    """How edges were scored."""
    n_scored: int
    """Pairs that the scores are made of."""
    tried: tuple[PromptPair, ...]
    """The others, on which circuits were run."""
    refused: tuple[str, ...]
    """Why further pairs could not be read by the model."""
    clean: float
    """Mean metric of the clean runs of the tried pairs."""
    corrupted: float
    """That of the corrupted runs."""
    right: float
    """Share of tried pairs whose clean run prefers its answer and whose corrupted run the other."""
    curves: tuple[KeptCurve, ...]
    """Edges by the size of their score, and by their score."""
    strongest: tuple[ScoredEdge, ...]
    """The largest first, whatever their sign."""
    stability: Finding | None
    """Whether the strongest edges return; None where a method scores the set as a whole."""

    @property
    def graph(self) -> EdgeGraph:
        """The nodes and edges of the model."""
        return EdgeGraph(self.n_layers, self.n_heads, self.is_parallel)


@dataclass(frozen=True, slots=True)
class KeptDiscovery:
    """A discovery with the scores of all edges."""

    manifest: DiscoveryManifest
    scores: Float[ndarray, "receiver sender"]

    def circuit(self, n: int, order: str) -> Bool[Tensor, "receiver sender"]:
        """Of the n strongest edges, those on a path from the input to the logits.

        Raises:
            BadRequest: there is no such order.
        """
        graph = self.manifest.graph
        return graph.connected(strongest(self.scores, graph, n, order=order))

    def pairs(self, model: Model) -> Pairs:
        """The pairs that were tried.

        Raises:
            BadRequest: the model is not the one that they were read by.
        """
        return open_pairs(model, self.manifest.tried, metric=self.manifest.metric)


def discovery_name(set_name: str, asked: Any) -> str:
    """The name of what is found for a request, always the same for the same one."""
    return f"{set_name or 'own-pairs'}-{content_hash(asked)[:8]}"


def discover_and_keep(
    model: Model,
    pairs: Pairs,
    settings: DiscoverSettings,
    lab: Lab,
    *,
    name: str,
    set_name: str = "",
    refused: Sequence[str] = (),
) -> DiscoveryManifest:
    """Score edges, measure circuits in both orders beside random ones, and keep all of it in the lab.

    Raises:
        BadRequest, UnsupportedModel, HookeError: see `hooke.circuits.discover.discover_and_measure`.
        OutOfSpace: the disk is full.
    """
    lab.path(_ROOM, name)
    found = discover_and_measure(model, pairs, settings, orders=ORDERS)
    manifest = _manifest_of(model, pairs, settings, found, name=name, set_name=set_name, refused=refused)
    folder = lab.path(_ROOM, name)
    with staged(folder) as aside:
        aside.mkdir()
        save_file({"scores": torch.from_numpy(found.scores.mean.astype(np.float32))}, aside / _SCORES)
        write_json(aside / MANIFEST, to_dict(manifest))
        inputs = {"model": model.fingerprint, "pairs": manifest.same_pairs}
        write_json(aside / _PROVENANCE, provenance(seed=settings.seed, inputs=inputs))
    return manifest


def discovery_names(lab: Lab) -> list[str]:
    """Names of the lab's discoveries."""
    return lab.names(_ROOM)


def manifest_path(lab: Lab, name: str) -> Path:
    """Where a discovery says what it is.

    Raises:
        UnknownName: there is none of this name.
    """
    return lab.find(_ROOM, name) / MANIFEST


def throw_away(lab: Lab, name: str) -> None:
    """Remove a discovery.

    Raises:
        UnknownName: there is none of this name.
    """
    shutil.rmtree(lab.find(_ROOM, name))


def read_manifest(path: Path) -> DiscoveryManifest:
    """What is known of a discovery, without its scores.

    Raises:
        BadArtefact: the file is damaged.
    """
    data = read_json(path)
    try:
        return from_dict(DiscoveryManifest, data if isinstance(data, dict) else {})
    except BadConfig as error:
        raise _bad(path, error.found) from error
    except UnknownName as error:
        raise _bad(path, str(error)) from error


def open_discovery(path: Path) -> KeptDiscovery:
    """A discovery by the path of its manifest.

    Raises:
        BadArtefact: a file is damaged, or the two do not belong together.
    """
    manifest, scores = read_manifest(path), path.with_name(_SCORES)
    graph = manifest.graph
    shape = (len(graph.receivers), len(graph.senders))
    if read_header(scores).get("scores") != ("F32", shape):
        raise _bad(scores, f"it has no 'scores' of F32 {list(shape)}")
    found = load_file(scores)["scores"]
    if not bool(found.isfinite().all()):
        raise _bad(scores, "some of its values are no finite numbers")
    return KeptDiscovery(manifest, found.numpy())


def _manifest_of(
    model: Model,
    pairs: Pairs,
    settings: DiscoverSettings,
    found: Discovery,
    *,
    name: str,
    set_name: str,
    refused: Sequence[str],
) -> DiscoveryManifest:
    graph, scores = open_components(model).graph, found.scores
    clean, corrupted = found.curve.clean, found.curve.corrupted
    return DiscoveryManifest(
        name=name,
        model=model.name,
        n_layers=graph.n_layers,
        n_heads=graph.n_heads,
        is_parallel=graph.is_parallel,
        d_model=model.d_model,
        set=set_name,
        metric=pairs.metric,
        same_pairs=content_hash([pairs.metric, *(to_dict(one) for one in pairs.pairs)]),
        settings=settings,
        n_scored=found.n_scored,
        tried=found.tried.pairs,
        refused=tuple(refused),
        clean=float(clean.mean()),
        corrupted=float(corrupted.mean()),
        right=float(((clean > 0) & (corrupted < 0)).mean()),
        curves=tuple(_kept_curve(one, found.control) for one in found.curves),
        strongest=tuple(
            ScoredEdge(edge=edge, score=score, interval=scores.interval(edge, seed=settings.seed))
            for edge, score in scores.strongest(_STRONGEST)
        ),
        stability=found.stability,
    )


def _kept_curve(found: Curve, control: Curve) -> KeptCurve:
    return KeptCurve(
        order=found.order,
        points=found.points,
        control=control.points,
        area=found.area,
        control_area=control.area_as(found.order),
    )


def _bad(path: Path, why: str) -> BadArtefact:
    return BadArtefact(f"'{path}' is no sound part of a discovery:", f"{why.rstrip('.')}.", "Discover it again.")
