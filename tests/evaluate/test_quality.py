"""Metrics beside their nulls: the same units in each resample, and nulls that are what their names say."""

import numpy as np
import pytest
import torch

from hooke.evaluate.quality import Subject, UnitScores, measure, null_subjects, principal_components
from tests.features.planted import planted_dictionary, planted_model


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def scores(parts: np.ndarray) -> dict[str, UnitScores]:
    return {"share": UnitScores(parts=parts, wholes=np.full(len(parts), 2.0))}


def test_a_value_is_a_ratio_of_sums_and_a_difference_is_over_the_same_units(own: Subject):
    generator = np.random.default_rng(0)
    parts = generator.normal(1, 1, 40)
    null = Subject("null", own.dictionary, own.model)
    (found,) = measure(
        lambda one: scores(parts + 0.5 * (one is own)), own, [null], unit="texts", method="as told", seed=3
    )
    first, second = found.rows
    assert first.value.value == pytest.approx((parts + 0.5).sum() / 80)
    assert first.above is None
    assert second.above is not None
    # Units differ a lot; the difference does not, in any resample.
    assert first.value.interval[1] - first.value.interval[0] > 0.1
    assert second.above.interval == pytest.approx((0.25, 0.25))
    (finding,) = found.findings()
    assert finding.claim == "share: planted above null"
    assert (finding.value, finding.control) == pytest.approx((0.25, parts.sum() / 80))
    assert finding.n == 40


def test_nulls_have_as_many_active_features_as_the_dictionary(own: Subject):
    x = torch.eye(own.model.d_vocab, own.model.d_model)[1:].repeat(3, 1)
    k = round(float(own.dictionary.encode(x).l0().float().mean()))
    nulls = null_subjects(own, x, x)
    assert [one.name for one in nulls] == ["random dictionary", "principal components", "neurons"]
    for one in nulls:
        width = one.dictionary.config.d_in
        assert int(one.dictionary.encode(torch.randn(5, width)).l0().max()) <= max(k, 1)
    assert nulls[0].dictionary.n_features == own.dictionary.n_features
    assert str(nulls[2].dictionary.reads[0]) == "neurons.0"


def test_principal_components_rebuild_what_lies_in_them(own: Subject):
    generator = torch.Generator().manual_seed(0)
    width = own.model.d_model
    plane = torch.randn(2, width, generator=generator)
    x = torch.randn(50, 2, generator=generator) @ plane + 3
    found = principal_components(own.dictionary.config, 2, x)
    assert found.n_features == 2 * min(50, width)
    torch.testing.assert_close(found(x), x, atol=1e-3, rtol=1e-3)
    assert int(found.encode(x).l0().max()) == 2
