import math
from dataclasses import replace
from datetime import date

import pytest
import torch

from hooke.monitors.spec import Calibration
from hooke.server.gateway.verdicts import Bank, linear_form, probability_of, version_of
from hooke.sites import parse_site
from tests.server.gateway.doubles import Along, Nan, Raising, Squared, along

A, B = parse_site("resid_post.1"), parse_site("mlp_out.0")


def width(_: object) -> int:
    return 32


def rows(n: int = 5) -> dict:
    draw = torch.Generator().manual_seed(4)
    return {site: torch.randn(n, 32, generator=draw) * 50 for site in (A, B)}


def test_stacked_monitors_score_what_each_scores_alone():
    monitors = [
        along("a", "resid_post.1"),
        along("ab", "mlp_out.0", "resid_post.1", seed=2),
        along("b", "mlp_out.0", seed=3),
        along("squared", "resid_post.1", kind=Squared),
        along("a2", "resid_post.1", seed=8),
    ]
    bank, here = Bank(monitors, width), rows()
    assert bank.stacked == {"a", "ab", "b", "a2"}
    found = bank.scores(here, {one.name: (one, [4, 1]) for one in monitors})
    for one in monitors:
        expected = one.scores({site: here[site][[4, 1]] for site in one.sites})
        assert torch.tensor(found[one.name]) == pytest.approx(expected, rel=1e-5), one.name
    only = bank.scores({A: here[A]}, {"a": (monitors[0], [0])})
    assert only["a"][0] == pytest.approx(monitors[0].scores({A: here[A][:1]})[0].tolist(), rel=1e-5)


def test_what_is_not_linear_is_not_stacked():
    assert linear_form(along("s", "resid_post.1", kind=Squared), width) is None
    assert linear_form(along("r", "resid_post.1", kind=Raising), width) is None
    assert linear_form(along("n", "resid_post.1", kind=Nan), width) is None
    bias, weights = linear_form(along("a", "resid_post.1"), width) or (None, {})
    assert bias is not None
    assert bias.tolist() == [0.25]
    torch.testing.assert_close(weights[A][:, 0], along("a", "resid_post.1").vector(A))


@pytest.mark.parametrize("kind", [Raising, Nan])
def test_a_failure_is_no_number_at_each_place(kind: type[Along]):
    bad = along("bad", "resid_post.1", kind=kind)
    found = Bank([bad], width).scores(rows(), {"bad": (bad, [0, 3])})
    assert [math.isnan(one) for (one,) in found["bad"]] == [True, True]


def test_a_verdict_tells_where_levels_were_reached():
    monitor = along("m", "resid_post.1", watch=1.0, act=5.0)
    watched = Bank([monitor], width).watched(monitor)
    rises = [watched.see([score], 10 + at, is_prompt=at < 2) for at, score in enumerate([0.0, 2.0, 9.0, 1.5, math.nan])]
    assert rises == [False, True, True, False, False]
    found = watched.verdict()
    assert (found.watch_at, found.act_at, found.level, found.n_failed) == (11, 12, "act", 1)
    assert (found.score, found.peak) == (1.5, 9.0)


def test_versions_differ_where_specs_do_and_probabilities_lie_on_the_map():
    spec = along("m", "resid_post.1").spec
    assert version_of(spec) == version_of(replace(spec))
    assert version_of(spec) != version_of(replace(spec, act=3.0))
    assert probability_of(spec, 1.0) is None
    day = date(2026, 1, 1)
    calibrated = replace(
        spec,
        calibration=Calibration(
            traffic="t",
            traffic_fingerprint="",
            certificates={},
            made=day,
            expires=day,
            probability=((0.0, 0.1), (10.0, 0.9)),
        ),
    )
    assert probability_of(calibrated, 5.0) == pytest.approx(0.5)
    assert probability_of(calibrated, math.nan) is None
