"""Probes that learn through their pooling."""

import pytest
import torch

from hooke.directions.makers import Maker, means, scores_of
from hooke.directions.pooling import Pooling
from hooke.directions.token_probe import layers, token
from hooke.findings import area_under_curve
from tests.directions.planted_rows import SITES, planted_rows


def area(maker: Maker, pooling: Pooling, *, sites: tuple = SITES[:1]) -> float:
    data, fresh = (planted_rows(strength=6, on_one=True, seed=seed)[0] for seed in (0, 1))
    scores = scores_of(maker(data, sites, pooling, 0), fresh, sites, pooling)
    return area_under_curve(scores[fresh.labels], scores[~fresh.labels])[0]


@pytest.mark.parametrize("how", ["softmax", "attention", "max"])
def test_one_token_among_many_is_found(how: str) -> None:
    pooling = Pooling(how=how)  # pyright: ignore[reportArgumentType]
    assert area(token, pooling) > max(0.97, area(means, Pooling()) + 0.02)


def test_the_planted_direction_is_what_is_learnt() -> None:
    data, planted = planted_rows(strength=6, on_one=True)
    found = token(data, SITES[:1], Pooling(how="attention"), 0)
    for vector in (*found.vectors, *found.attention):
        assert float(torch.cosine_similarity(vector, planted, dim=0)) > 0.9


def test_a_probe_of_several_sites_finds_the_one_that_knows() -> None:
    assert area(layers, Pooling(how="rolling", window=2), sites=SITES) > 0.95
    data, planted = planted_rows(strength=6)
    found = layers(data, SITES, Pooling(how="rolling", window=4), 0)
    assert float(torch.cosine_similarity(found.vectors[0], planted, dim=0)) > 0.9
    assert float(found.vectors[1].norm()) < 0.3 * float(found.vectors[0].norm())
