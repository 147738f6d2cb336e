"""What holds of all features is measured beside a control that has nothing to find."""

import pytest

from hooke.lab import Lab
from tests.features.interacting import Pair, make_pair
from tests.features.planted import World


@pytest.fixture(scope="module")
def pair(world: World, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(world, Lab(tmp_path_factory.mktemp("findings") / "lab"))


def test_each_finding_stands_beside_its_control(pair: Pair):
    for run in (pair.compute(), pair.compute(alone=True)):
        for one in run.manifest.findings:
            assert one.interval[0] <= one.value <= one.interval[1], one.claim
            assert one.control is not None
            assert one.control_name
            assert one.n > 0


def test_a_pair_says_what_was_planted(pair: Pair):
    told = {one.claim.partition(": ")[2]: one for one in pair.compute().manifest.findings}
    assert set(told) == {
        "share with a partner beyond chance",
        "partners beyond chance, at most 6",
        "correlation with the nearest",
        "share with a match",
        "cosine of the nearest row",
        "cosine of a match's row",
        "largest virtual weight of a feature",
        "share of the largest virtual weights whose ends never meet",
        "share of parents that are split",
        "share of a parent's firings that its children cover",
        "share that the first child covers alone",
    }
    nearest = told["correlation with the nearest"]
    assert nearest.control is not None
    assert nearest.value > nearest.control + 0.3
    weight = told["largest virtual weight of a feature"]
    assert weight.control is not None
    assert weight.value > weight.control


def test_one_beside_itself_says_who_fires_together(pair: Pair):
    told = [one.claim for one in pair.compute(alone=True).manifest.findings]
    assert told == ["planted: share with a partner beyond chance", "planted: partners beyond chance, at most 6"]
