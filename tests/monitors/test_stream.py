"""Monitors at work: token by token as offline, levels and their first tokens, and a scorer that fails."""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from hooke.directions.pooling import How, Pooling
from hooke.directions.probe import load_probe, save_probe, text_scores
from hooke.errors import BadArtefact
from hooke.lab import Lab
from hooke.models.hooks import Pass
from hooke.models.model import Model
from hooke.monitors.digests import Digests
from hooke.monitors.spec import Scorer
from hooke.monitors.stream import OpenWatch, Reading, open_monitor
from hooke.sites import Site, parse_site
from tests.directions.made import probe_of
from tests.models.tiny import tiny_model
from tests.monitors.made import monitor_of, spec_of
from tests.monitors.test_spec import CALIBRATION

IDS = torch.arange(3, 23)


def _stepwise(model: Model, sites: tuple[Site, ...]) -> list[dict[Site, torch.Tensor]]:
    """Rows of each token as they come when a model speaks: one token at a time on its cache."""
    cache, found = DynamicCache(config=model.config), []
    for at in range(len(IDS)):
        running = Pass(model.anatomy, frozenset(sites), {}, lambda _, value: value[0].clone())
        with model.open(running), torch.no_grad():
            model.hf(input_ids=IDS[None, at : at + 1], past_key_values=cache, use_cache=True)
        found.append(running.read)
    return found


@pytest.mark.parametrize("how", ["last", "mean", "max", "rolling", "ema", "softmax", "attention"])
def test_a_score_while_the_model_speaks_is_the_offline_score(tmp_path: Path, how: How) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    both = ("resid_post.0", "resid_post.2")
    monitor = monitor_of(model, lab, pooling=Pooling(how=how, window=4), sites=both, skip=0)
    watch = monitor.watch()
    live = [
        watch.see(monitor.scores(rows)[0].tolist(), is_prompt=False).score for rows in _stepwise(model, monitor.sites)
    ]
    run = model.run(IDS, capture=both, logits=False)
    rows = {site: run[site][0] for site in monitor.sites}
    assert live == pytest.approx(text_scores(load_probe(lab, "up"), rows), rel=1e-5, abs=1e-5)
    readings, peak = monitor.follow(rows)
    assert [one.score for one in readings] == pytest.approx(live, rel=1e-5, abs=1e-5)
    assert peak == max(one.score for one in readings)
    assert watch.peak == pytest.approx(peak, rel=1e-5, abs=1e-5)


def test_several_scorers_become_one_score(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    save_probe(lab, probe_of(model, Pooling(), name="other", sites=("resid_post.1",)))
    both = (Scorer(probe="up"), Scorer(probe="other", scale=2.0, bias=-1.0))
    rows = {parse_site(f"resid_post.{layer}"): torch.randn(4, 32) for layer in (0, 1)}
    apart = [monitor_of(model, lab, scorers=(one,)).scores(rows) for one in both]
    torch.testing.assert_close(monitor_of(model, lab, scorers=both).scores(rows), apart[0] + apart[1])
    highest = monitor_of(model, lab, scorers=both, combine="max")
    torch.testing.assert_close(highest.scores(rows), torch.maximum(*apart))
    assert (highest.sites, highest.n_products) == ((parse_site("resid_post.0"), parse_site("resid_post.1")), 64)


def _seen(watch: OpenWatch, scores: list[float], n_prompt: int = 0) -> list[Reading]:
    return [watch.see([score], is_prompt=at < n_prompt) for at, score in enumerate(scores)]


def _settled(tmp_path: Path, **more: Any) -> OpenWatch:
    settings = {"pooling": Pooling(how="last"), "watch": 1.0, "act": 2.0, "skip": 0} | more
    return monitor_of(tiny_model(), Lab(tmp_path), **settings).watch()


def test_a_level_is_told_at_each_token_and_first_once(tmp_path: Path) -> None:
    found = _seen(_settled(tmp_path), [0.0, 1.0, 1.5, 0.0, 2.5, 1.5, 2.5])
    assert [one.level for one in found] == ["quiet", "quiet", "watch", "quiet", "act", "watch", "act"]
    assert [one.is_first for one in found] == [False, False, True, False, True, False, False]


def test_what_does_not_count_is_not_judged(tmp_path: Path) -> None:
    skipping = _settled(tmp_path, skip=1)
    assert math.isnan(_seen(skipping, [9.0])[0].score)
    assert math.isnan(skipping.peak)
    assert [one.level for one in _seen(_settled(tmp_path, skip=1), [9.0, 0.0])] == ["quiet", "quiet"]
    assert [one.level for one in _seen(_settled(tmp_path, warm_up=2), [9.0, 9.0, 9.0])] == ["quiet", "quiet", "act"]
    prompt = _seen(_settled(tmp_path, reads="prompt"), [9.0, 0.0, 9.0], n_prompt=2)
    assert [one.level for one in prompt] == ["act", "quiet", "quiet"]
    new = _seen(_settled(tmp_path, reads="generated"), [9.0, 0.0, 9.0], n_prompt=2)
    assert [one.level for one in new] == ["quiet", "quiet", "act"]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_fails_open_or_closed_and_spoils_nothing(tmp_path: Path, bad: float) -> None:
    for on_error, level in (("open", "quiet"), ("closed", "act")):
        watch = _settled(tmp_path, on_error=on_error, pooling=Pooling(how="mean"))
        found = _seen(watch, [0.0, bad, 0.6])
        assert [one.level for one in found] == ["quiet", level, "quiet"]
        assert [one.failed for one in found] == [False, True, False]
        assert found[1].is_first == (on_error == "closed")
        assert (found[-1].score, watch.n_failed) == (pytest.approx(0.3), 1)


def test_a_scorer_that_raises_scores_no_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for how, width in (("mean", 1), ("attention", 2)):
        monitor = monitor_of(tiny_model(), Lab(tmp_path), pooling=Pooling(how=how), on_error="closed")  # pyright: ignore[reportArgumentType]
        scores = monitor.scores({parse_site("resid_post.1"): torch.zeros(3, 32)})
        assert scores.shape == (3, width)
        assert bool(scores.isnan().all())
        assert monitor.follow({parse_site("resid_post.1"): torch.zeros(3, 32)})[0][-1].level == "act"
    assert "its scorer failed" in caplog.text


def test_a_monitor_for_something_else_is_refused_unless_forced(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    spec = spec_of(model, lab, valid_for=Digests(precision="float32", template="t"))
    with pytest.raises(BadArtefact, match="template"):
        open_monitor(spec, model, lab)
    open_monitor(spec, model, lab, force=True)


def test_a_calibration_that_has_expired_is_refused_unless_forced(tmp_path: Path) -> None:
    lab, model = Lab(tmp_path), tiny_model()
    spec = replace(spec_of(model, lab), act=1.5, calibration=CALIBRATION)
    open_monitor(spec, model, lab, today=date(2026, 4, 1))
    with pytest.raises(BadArtefact, match="expired"):
        open_monitor(spec, model, lab, today=date(2026, 4, 2))
    open_monitor(spec, model, lab, today=date(2026, 4, 2), force=True)


def test_without_thresholds_all_is_quiet(tmp_path: Path) -> None:
    found = _seen(_settled(tmp_path, watch=None, act=None), [1e9])
    assert [one.level for one in found] == ["quiet"]
