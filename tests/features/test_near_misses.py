import numpy as np
import pytest

from hooke.features.near_misses import N_WINDOWS, likely_windows, near_misses
from hooke.features.query import Index
from tests.features.planted import STRENGTH, World


@pytest.mark.parametrize("feature", [0, 1, 2])
def test_they_are_tokens_on_which_the_feature_is_silent_closest_first(index: Index, world: World, feature: int):
    misses, n_windows = near_misses(index, world.model, feature, 20, dictionary=world.dictionary)
    assert misses
    assert len(misses) <= n_windows <= N_WINDOWS
    for miss in misses:
        assert miss.tokens[miss.peak].strip() not in STRENGTH[feature]
        assert miss.activations[miss.peak] == 0
        assert miss.value <= miss.needed
        assert miss.position > 0
        assert miss.source in ("songs", "towns")
    distances = [miss.needed - miss.value for miss in misses]
    assert distances == sorted(distances)
    assert len({miss.window for miss in misses}) == len(misses)


def test_windows_are_those_of_its_relatives_and_its_own(index: Index):
    windows = likely_windows(index, index.card(0))
    assert len(windows) == len(set(windows))
    own = {example.window for group in index.card(0).groups for example in group.examples}
    others = {window for near in index.card(0).neighbours for window in index.example_windows(near.feature)}
    assert set(windows) <= own | others | {
        window for partner in index.card(0).partners for window in index.example_windows(partner.feature)
    }


def test_a_feature_that_never_fires_still_has_its_closest_tokens(index: Index, world: World):
    misses, _ = near_misses(index, world.model, 5, 3, dictionary=world.dictionary)
    assert all(np.isfinite(miss.value) for miss in misses)
