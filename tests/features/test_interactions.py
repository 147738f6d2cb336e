"""Runs are computed, kept, opened again, and refused where they make no sense."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hooke.configs import to_dict
from hooke.dictionaries import save_dictionary
from hooke.errors import BadArtefact, BadRequest, ShapeMismatch, UnknownName
from hooke.features import interactions as module
from hooke.features.interactions import (
    add_findings,
    interactions_of,
    manifest_path,
    open_interactions,
)
from hooke.features.query import Index
from hooke.findings import Finding
from hooke.lab import Lab, read_json, write_json
from tests.features.interacting import Pair, early_dictionary, make_pair
from tests.features.planted import World


@pytest.fixture(scope="module")
def pair(world: World, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    made = make_pair(world, Lab(tmp_path_factory.mktemp("pair") / "lab"))
    made.compute()
    made.compute(alone=True)
    return made


def test_two_dictionaries_are_held_beside_each_other(pair: Pair):
    run = pair.compute()
    manifest = run.manifest
    assert manifest.name == "planted--early"
    assert manifest.n_features == (6, 3)
    assert (manifest.source, manifest.parents) == (1, 1)
    assert "one site" in manifest.no_absorbers
    late, early = run.matches(0), run.matches(1)
    # 'bridge' fires both; feature 0 of the late one also fires on 'river'.
    assert early.feature[0] in (0, 3)
    assert early.is_match[:2].all()
    assert early.feature[1] == 1
    assert late.feature[1] == 1
    assert run.partners(1).told[0].any()
    # The early 'bridge' writes 1 / √2 to each spelling of the word, of which the late one reads 8 each.
    paths = run.paths(1)
    assert (paths.feature[0, 0], paths.rank[0, 0]) == (0, 1)
    assert paths.weight[0, 0] == pytest.approx(8 * np.sqrt(2), rel=1e-4)
    assert run.splits.n_children.tolist()[0] >= 1


def test_one_dictionary_beside_itself(pair: Pair):
    run = pair.compute(alone=True)
    assert run.manifest.name == "planted"
    assert run.manifest.source is None
    partners = run.partners(0)
    # Feature 3 fires on 'bridge' alone, where 0 does; 5 never fires.
    assert partners.feature[3, 0] == 0
    assert partners.told[3, 0]
    assert not partners.count[5].any()
    edges = run.edges(np.arange(6), 10)
    assert (0, 3) in [edge[:2] for edge in edges]
    assert len({edge[:2] for edge in edges}) == len(edges)
    assert len(run.edges(np.arange(6), 1)) == 1


def test_what_is_kept_is_opened_without_reading_the_text_again(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "read_co_firing", None)
    assert pair.compute().manifest.findings
    assert not list((pair.lab.root / "interactions").glob(".*.partial"))
    provenance = read_json(pair.compute().folder / "provenance.json")
    assert provenance["inputs"]["model"] == "planted-0"


def test_another_text_takes_the_place_of_the_first(world: World, tmp_path: Path):
    pair = make_pair(world, Lab(tmp_path / "lab"))
    first, second = pair.compute(alone=True), pair.compute(alone=True, n_tokens=600)
    assert second.folder == first.folder
    assert second.manifest.n_counted < first.manifest.n_counted


def test_runs_of_an_index_are_found_its_own_first(pair: Pair):
    assert [run.manifest.name for run in interactions_of(pair.lab, pair.late)] == ["planted", "planted--early"]
    assert [run.manifest.name for run in interactions_of(pair.lab, pair.early)] == ["planted--early"]


def test_runs_of_other_weights_are_left_out(world: World, tmp_path: Path):
    pair = make_pair(world, Lab(tmp_path / "lab"))
    run = pair.compute(alone=True)
    spec = replace(run.manifest.spec, dictionary_fingerprints=("other",))
    write_json(run.folder / "interactions.json", to_dict(replace(run.manifest, spec=spec)))
    assert interactions_of(pair.lab, pair.late) == []


def test_findings_can_be_added(world: World, tmp_path: Path):
    run = make_pair(world, Lab(tmp_path / "lab")).compute(alone=True)
    more = Finding(claim="more", value=1.0, interval=(0.0, 2.0), n=3)
    n = len(run.manifest.findings)
    again = add_findings(add_findings(run, (more,)), (replace(more, value=2.0),))
    kept = open_interactions(run.folder / "interactions.json").manifest.findings
    assert again.manifest.findings == kept
    assert [one.value for one in kept[n:]] == [2.0]


def test_one_dictionary_given_twice_is_refused(pair: Pair):
    with pytest.raises(BadRequest, match="'planted' was given twice"):
        replace(pair, early=pair.late).compute()


def test_another_models_dictionary_is_refused(pair: Pair):
    other = Index.open("early", lab=pair.lab)
    other.manifest = replace(other.manifest, model="another")
    with pytest.raises(ShapeMismatch, match="'early' is of another model than planted"):
        replace(pair, early=other).compute()


def test_an_index_for_other_weights_is_refused(world: World, tmp_path: Path):
    pair = make_pair(world, Lab(tmp_path / "lab"))
    changed = early_dictionary(world)
    changed.W_dec.data.mul_(2)
    save_dictionary(changed, pair.lab.path("dictionaries", "early"))
    with pytest.raises(ShapeMismatch, match="The one in the lab has other weights") as caught:
        replace(pair, early=Index.open("early", lab=pair.lab)).compute()
    assert "Build the index again" in caught.value.do


def test_a_dictionary_that_is_gone_is_refused(world: World, tmp_path: Path):
    pair = make_pair(world, Lab(tmp_path / "lab"))
    pair.lab.path("dictionaries", "early").rename(tmp_path / "gone")
    with pytest.raises(UnknownName, match="No dictionary 'early'"):
        pair.compute()


@pytest.mark.parametrize("damage", ["cut", "range", "rows", "manifest"])
def test_damaged_runs_are_refused_and_left_out_of_pages(pair: Pair, tmp_path: Path, damage: str):
    import shutil

    folder = Path(shutil.copytree(pair.compute(alone=True).folder, tmp_path / "run"))
    arrays = folder / "interactions.safetensors"
    if damage == "cut":
        arrays.write_bytes(arrays.read_bytes()[:-100])
    elif damage == "manifest":
        data = json.loads((folder / "interactions.json").read_text())
        (folder / "interactions.json").write_text(json.dumps(data | {"n_windows": "many"}))
    else:
        kept = load_file(arrays)
        found = kept["0.partners.feature"]
        kept["0.partners.feature"] = found[:-1] if damage == "rows" else found + 1000
        save_file(kept, arrays)
    with pytest.raises(BadArtefact):
        open_interactions(folder / "interactions.json").partners(0)


def test_a_run_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UnknownName, match="No interactions 'none'"):
        manifest_path(Lab(tmp_path), "none")
