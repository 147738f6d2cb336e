"""Discoveries go into the lab and come back whole, or are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hooke.circuits.discover import DiscoverSettings
from hooke.circuits.kept_discovery import (
    DiscoveryManifest,
    discover_and_keep,
    discovery_name,
    discovery_names,
    manifest_path,
    open_discovery,
    read_manifest,
    throw_away,
)
from hooke.circuits.pairs import open_pairs
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import Lab
from hooke.specimens import build

SPECIMEN = build("two-hop")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab with the discovery 'planted'."""
    return Lab(tmp_path_factory.mktemp("kept") / "lab")


@pytest.fixture(scope="module")
def manifest(lab: Lab) -> DiscoveryManifest:
    """What was said when it was kept."""
    pairs = open_pairs(SPECIMEN.model, SPECIMEN.pairs)
    return discover_and_keep(
        SPECIMEN.model, pairs, DiscoverSettings(method="eap"), lab, name="planted", refused=["why"]
    )


def test_what_was_kept_comes_back(lab: Lab, manifest: DiscoveryManifest):
    assert discovery_names(lab) == ["planted"]
    path = manifest_path(lab, "planted")
    kept = open_discovery(path)
    assert kept.manifest == read_manifest(path) == manifest
    assert (manifest.n_scored, len(manifest.tried), manifest.refused) == (12, 12, ("why",))
    edge = manifest.strongest[0]
    assert kept.scores[manifest.graph.places(edge.edge)] == pytest.approx(edge.score)
    assert kept.pairs(SPECIMEN.model).pairs == manifest.tried
    assert (path.parent / "provenance.json").is_file()


def test_its_circuits_are_cut_from_the_scores(lab: Lab, manifest: DiscoveryManifest):
    kept = open_discovery(manifest_path(lab, "planted"))
    n = len(SPECIMEN.circuit)
    assert set(manifest.graph.names(kept.circuit(n, "size"))) == SPECIMEN.circuit
    assert not kept.circuit(1, "size").any()
    assert int(kept.circuit(manifest.graph.n_edges, "score").sum()) == manifest.graph.n_edges


def test_both_orders_stand_beside_the_same_random_edges(manifest: DiscoveryManifest):
    by_size, by_score = manifest.curves
    assert (by_size.order, by_score.order) == ("size", "score")
    assert by_size.control == by_score.control
    assert by_size.area.value < 0.2 < by_size.control_area.value
    assert by_score.control_area.value < 0.5 < by_score.area.value


def test_a_name_follows_what_is_asked_for():
    one, same, other = (discovery_name("two-hop", asked) for asked in ({"seed": 0}, {"seed": 0}, {"seed": 1}))
    assert one == same != other
    assert one.startswith("two-hop-")
    assert discovery_name("", {}).startswith("own-pairs-")


@pytest.mark.parametrize("scores", [torch.zeros(3, 3), None], ids=["of another model", "missing"])
def test_scores_that_do_not_belong_are_refused(
    lab: Lab, manifest: DiscoveryManifest, tmp_path: Path, scores: torch.Tensor | None
):
    path = tmp_path / "discovery.json"
    path.write_bytes(manifest_path(lab, "planted").read_bytes())
    if scores is not None:
        save_file({"scores": scores}, tmp_path / "scores.safetensors")
    with pytest.raises(BadArtefact, match="sound"):
        open_discovery(path)


def test_numbers_that_are_not_finite_are_refused(lab: Lab, manifest: DiscoveryManifest, tmp_path: Path):
    path = tmp_path / "discovery.json"
    path.write_bytes(manifest_path(lab, "planted").read_bytes())
    save_file({"scores": torch.full(manifest.graph.exists.shape, np.nan)}, tmp_path / "scores.safetensors")
    with pytest.raises(BadArtefact, match="no finite numbers"):
        open_discovery(path)


def test_a_method_that_is_not_there_any_more_is_a_damaged_file(lab: Lab, manifest: DiscoveryManifest, tmp_path: Path):
    path = tmp_path / "discovery.json"
    path.write_text(manifest_path(lab, "planted").read_text().replace('"method": "eap"', '"method": "eapp"'))
    with pytest.raises(BadArtefact, match="eapp"):
        read_manifest(path)


def test_what_is_thrown_away_is_gone(tmp_path: Path):
    lab = Lab(tmp_path)
    (tmp_path / "circuits" / "old").mkdir(parents=True)
    throw_away(lab, "old")
    assert discovery_names(lab) == []
    with pytest.raises(UnknownName):
        throw_away(lab, "old")
