"""What is said of one feature is what the run's arrays hold."""

from pathlib import Path

import pytest

from hooke.features.feature_interactions import feature_interactions
from hooke.lab import Lab
from tests.features.interacting import Pair, make_pair
from tests.features.planted import World


@pytest.fixture(scope="module")
def pair(world: World, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(world, Lab(tmp_path_factory.mktemp("one") / "lab"))


def test_both_sides_of_a_pair_tell_the_same(pair: Pair):
    run = pair.compute()
    early, late = feature_interactions(run, 1, 1), feature_interactions(run, 0, 1)
    assert (early.index, late.index) == ("planted", "early")
    assert (early.direction, late.direction) == ("to", "from")
    assert early.match is not None
    assert late.match is not None
    assert (early.match.feature, late.match.feature) == (1, 1)
    assert early.match.correlation == pytest.approx(late.match.correlation, abs=1e-4)
    assert early.match.is_match
    forth = {one.feature: one for one in early.paths}[1]
    back = {one.feature: one for one in late.paths}[1]
    assert (forth.weight, forth.twera, forth.count) == (back.weight, back.twera, back.count)
    assert early.split is not None
    assert late.split is None
    assert 1 in late.part_of
    assert early.absorbed is None
    assert {1} <= early.named


def test_a_feature_beside_its_own_dictionary(pair: Pair):
    found = feature_interactions(pair.compute(alone=True), 0, 3)
    assert found.is_own
    assert found.direction is None
    assert found.match is None
    assert found.paths == ()
    assert [one.feature for one in found.together][0] == 0
    assert all(one.interval[0] > 0 for one in found.together)
    assert found.together[0].count > found.together[0].expected


def test_a_feature_that_never_fires_has_nothing(pair: Pair):
    found = feature_interactions(pair.compute(), 0, 5)
    assert found.together == ()
    assert found.match is None
    assert found.paths == ()
    assert found.named == set()


def test_absorbers_are_told_of_from_both_sides(tmp_path: Path, world: World):
    from dataclasses import replace

    from hooke.dictionaries import save_dictionary
    from hooke.features.index import build_index
    from hooke.features.query import Index
    from tests.features.interacting import early_dictionary

    made = make_pair(world, Lab(tmp_path / "lab"))
    twin = early_dictionary(world)
    twin.config = replace(twin.config, name="twin", reads=("resid_post.0",), writes=("resid_post.0",))
    twin.describe(twin.config)
    save_dictionary(twin, made.lab.path("dictionaries", "twin"))
    build_index(world.model, twin, world.corpus, name="twin", n_tokens=800, windows=world.windows, lab=made.lab)
    run = replace(made, early=Index.open("twin", lab=made.lab)).compute()
    assert run.manifest.no_absorbers == ""
    assert "Neither writes before" in run.manifest.no_paths
    music = feature_interactions(run, 1, 1)
    assert music.absorbed is not None
    assert (music.absorbed.n_silent, music.absorbed.takers) == (0, ())
    assert feature_interactions(run, 0, 1).takes_part_of == ()
