from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.features import neighbours as module
from hooke.features.neighbours import association, nearest, partners
from tests.features.test_shards import planted_acts, reader, written


@pytest.mark.parametrize("cells", [1, 2**22])
def test_the_nearest_rows_are_found_however_they_are_cut(monkeypatch: pytest.MonkeyPatch, cells: int):
    monkeypatch.setattr(module, "_CELLS", cells)
    rows = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    features, cosines = nearest(rows, 10, 30)
    units = rows / rows.norm(dim=-1, keepdim=True)
    expected = units @ units.T
    expected.fill_diagonal_(-2)
    best = expected[10:30].topk(module.N_NEIGHBOURS, dim=-1)
    np.testing.assert_array_equal(features, best.indices.numpy())
    np.testing.assert_allclose(cosines, best.values.numpy(), atol=1e-6)


def test_a_dictionary_of_one_feature_has_no_neighbours():
    features, _ = nearest(torch.ones(1, 4), 0, 1)
    assert features.shape == (1, 0)


@pytest.mark.parametrize("cells", [100, 2**22])
def test_partners_are_ranked_by_normalised_pmi_of_exact_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
):
    monkeypatch.setattr(module, "_CELLS", cells)
    dense = planted_acts()
    dense[:, 11] = torch.where(dense[:, 10] > 0, 1.0, 0.0)
    work, counted = written(tmp_path, dense, 5)
    shards = reader(work)
    active = (torch.where(counted[:, None], dense, 0) > 0).numpy()
    n = int(counted.sum())
    together = active.T.astype(float) @ active
    features, counts = partners(shards.postings(0, shards.n_features), shards, n)
    assert features.shape == (shards.n_features, module.N_PARTNERS)
    for feature in range(shards.n_features):
        there = counts[feature] > 0
        assert feature not in features[feature][there]
        scores = []
        for other, count in zip(features[feature][there], counts[feature][there], strict=True):
            assert count == together[feature, other] >= 3
            pmi = np.log2(count * n / (together[feature, feature] * together[other, other]))
            scores.append(pmi / -np.log2(count / n))
        assert scores == sorted(scores, reverse=True)
        n_possible = int((np.delete(together[feature], feature) >= 3).sum())
        assert there.sum() == min(n_possible, module.N_PARTNERS)
    assert features[10][0] == 11
    assert not counts[7].any()


def test_association_is_that_of_the_counts():
    # 20 of 1000 tokens together, 40 and 50 by themselves: ten times the 2 that chance gives.
    pmi, jaccard = association(np.array([20.0]), np.array([40.0]), np.array([50.0]), 1000)
    assert pmi == pytest.approx(np.log2(10))
    assert jaccard == pytest.approx(20 / 70)


def test_counts_are_scaled_up_from_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "N_SAMPLED", 40)
    dense = torch.zeros_like(planted_acts())
    dense[:, 1] = 1.0
    dense[:, 2] = 1.0
    work, counted = written(tmp_path, dense, 12)
    shards = reader(work)
    features, counts = partners(shards.postings(0, 4), shards, int(counted.sum()))
    assert features[1][0] == 2
    assert counts[1][0] == int(counted.sum())
