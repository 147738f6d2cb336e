"""What is tried, and what is chosen."""

import pytest

from hooke.directions.choosing import MAKERS, USUAL, candidates, choose
from hooke.errors import BadRequest
from tests.directions.planted_rows import SITES, planted_rows


def test_every_method_is_tried_with_its_poolings_at_every_site() -> None:
    found = candidates(SITES)
    assert len(found) == len(set(map(str, found)))
    single = [len(USUAL[method]) * len(SITES) for method in MAKERS if method != "layers"]
    assert len(found) == sum(single) + len(USUAL["layers"])
    assert {one.sites for one in found if one.method == "layers"} == {("resid_post.0", "resid_post.1")}


def test_attention_goes_with_probes_that_learn_it() -> None:
    assert {one.method for one in candidates(SITES, poolings=("attention",))} == {"token"}
    with pytest.raises(BadRequest, match="attention pooling goes with"):
        candidates(SITES, ("means",), ("attention",))


def test_the_site_and_the_pooling_that_know_are_chosen() -> None:
    fit, validation = (planted_rows(strength=6, on_one=True, site=SITES[1], n=120, seed=seed)[0] for seed in (0, 1))
    found = choose(candidates(SITES, ("means", "logistic"), ("mean", "last", "max")), fit, validation)
    assert [one.area for one in found] == sorted((one.area for one in found), reverse=True)
    assert found[0].candidate.sites == ("resid_post.1",)
    assert found[0].candidate.pooling.how == "max"
    assert found[0].area > found[-1].area + 0.2


def test_vectors_are_shared_only_where_they_are_the_same() -> None:
    fit, validation = (planted_rows(n=60, seed=seed)[0] for seed in (0, 1))
    options = candidates(SITES[:1], ("means",), ("last", "max", "mean", "ema"), window=3)
    found = {one.candidate: one for one in choose(options, fit, validation)}
    for option in options:
        alone = choose([option], fit, validation)[0]
        assert found[option].area == alone.area, option
        assert found[option].apart == pytest.approx(alone.apart)
