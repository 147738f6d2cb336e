import numpy as np
import pytest

from hooke.errors import UnknownName
from hooke.evaluate.recovery import ARMS
from hooke.evaluate.specimen_scores import NODE_METHODS, auroc, effects, score
from hooke.specimens import Specimen, build


@pytest.fixture(scope="module")
def specimen() -> Specimen:
    return build("two-hop")


@pytest.mark.parametrize("method", ["eap", "eap-ig-inputs", *NODE_METHODS])
def test_what_was_planted_is_claimed_and_nothing_else(specimen: Specimen, method: str):
    found = score(specimen, method)
    assert found.auroc is not None
    assert (found.precision.value, found.recall.value, found.auroc.value) == (1, 1, 1)
    assert found.n_claimed == found.n_planted
    assert found.precision.interval[0] > 0.8


def test_scores_that_know_nothing_find_nothing(specimen: Specimen):
    found = score(specimen, "random")
    assert found.auroc is not None
    assert found.n_planted is not None
    assert found.n_items is not None
    assert 0.2 < found.auroc.value < 0.8
    assert found.precision.value < 3 * found.n_planted / found.n_items


def test_in_random_weights_nothing_stands_out(specimen: Specimen):
    found = score(specimen, "eap-ig-inputs", "random")
    assert found.precision.value < 0.5
    assert found.precision.interval[0] < found.precision.interval[1]


def test_graphs_tell_the_twin_by_its_neurons(specimen: Specimen):
    assert [score(specimen, "graph-neurons", arm).recall.value for arm in ARMS] == pytest.approx([1, 0, 0], abs=0.05)


def test_only_the_specimen_and_its_twin_answer(specimen: Specimen):
    found = effects(specimen)
    assert found["specimen"] > 4
    assert abs(found["random"]) < found["specimen"] / 3


def test_auroc_counts_ties_half():
    planted = np.array([True, False, False, True])
    assert auroc(np.array([3.0, 1.0, 2.0, 4.0]), planted) == 1
    assert auroc(np.array([1.0, 1.0, 1.0, 1.0]), planted) == 0.5
    assert auroc(np.array([0.0, 1.0, 2.0, 3.0]), planted) == 0.5
    assert np.isnan(auroc(np.array([0.0, 1.0]), np.array([True, True])))


def test_a_method_that_is_not_there_is_refused(specimen: Specimen):
    with pytest.raises(UnknownName, match="eap"):
        score(specimen, "eapp")
