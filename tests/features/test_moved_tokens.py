import numpy as np
import pytest

from hooke.features.moved_tokens import moving
from hooke.features.query import Index
from tests.features.planted import N_FEATURES, STRENGTH


@pytest.mark.parametrize("direction", ["promoted", "suppressed"])
def test_lists_turned_round_say_what_the_cards_say(index: Index, direction):
    expected: dict[int, dict[int, float]] = {}
    for feature in range(N_FEATURES):
        for effect in getattr(index.card(feature), direction):
            expected.setdefault(effect.token, {})[feature] = effect.value
    for token in range(index.manifest.d_vocab):
        features, values = moving(index, token, direction)
        found = dict(zip(features.tolist(), values.tolist(), strict=True))
        assert len(found) == len(features), "no feature comes twice"
        assert (
            expected.get(token, {}).items()
            <= {key: pytest.approx(value, abs=2e-3) for key, value in found.items()}.items()
        )
        assert (np.diff(np.abs(values)) <= 0).all()


def test_the_feature_that_promotes_a_token_most_is_first(index: Index):
    token = index.vocabulary.find(" music")
    assert moving(index, token, "promoted")[0][0] == max(STRENGTH, key=lambda one: STRENGTH[one].get("music", 0))
