"""A trace that does not fit is refused before it starts, and what is reckoned covers what is taken."""

from types import SimpleNamespace

import pytest
import torch

import hooke.circuits.plan as plan
from hooke.circuits.graph import TraceSettings
from hooke.circuits.plan import Plan, frozen_bytes, plan_of, require_memory, rows_bytes
from hooke.circuits.trace import trace
from hooke.errors import BadRequest
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


def free(monkeypatch: pytest.MonkeyPatch, n_bytes: float) -> None:
    monkeypatch.setattr(plan.psutil, "virtual_memory", lambda: SimpleNamespace(available=n_bytes))


def test_a_prompt_that_does_not_fit_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model()
    free(monkeypatch, 1000)
    monkeypatch.setattr(model, "run", lambda *_, **__: pytest.fail("the model ran"))
    with pytest.raises(BadRequest, match=r"7 tokens would take .* Shorten the prompt"):
        trace(model, "neurons", PROMPT)


def test_a_graph_that_does_not_fit_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch):
    model, settings = tiny_model(), TraceSettings(max_nodes=900)
    free(monkeypatch, frozen_bytes(model, 7, settings) / 0.9 + 1000)
    with pytest.raises(BadRequest, match="fewer nodes"):
        trace(model, "neurons", PROMPT, settings=settings)
    # A smaller plan fits.
    assert trace(model, "neurons", PROMPT, settings=TraceSettings(max_nodes=3, candidates=20)).measures["expanded"] == 3


def test_what_is_reckoned_grows_with_what_is_asked():
    model, settings = tiny_model(), TraceSettings()
    assert frozen_bytes(model, 64, settings) > 2 * frozen_bytes(model, 16, settings)
    # Never less than the edges themselves.
    assert rows_bytes(3, 7, 5000, 10, settings) >= 4 * 1010 * 5000
    require_memory(1, "A little", "")


def test_a_plan_is_told_before_its_rows_are_swept():
    told: list[Plan] = []
    settings = TraceSettings(max_nodes=12, candidates=90)
    graph = trace(tiny_model(), "neurons", PROMPT, settings=settings, tell=told.append)
    (found,) = told
    assert (found.n_tokens, found.n_sources, found.n_rows) == (7, 90, 12)
    assert found.n_bytes == graph.measures["estimated_mb"] * 1e6
    assert str(found).startswith("12 of 90 features at 7 tokens, about ")
    assert 0 < found.seconds == graph.measures["estimated_seconds"]


def test_more_rows_take_longer_and_what_has_passed_counts():
    few, many, later = (
        plan_of(tiny_model(), 7, 9000, 1, TraceSettings(max_nodes=n), passed=passed)
        for n, passed in ((1, 0.0), (9000, 0.0), (1, 100.0))
    )
    assert few.seconds < many.seconds < 100 < later.seconds
    assert few.n_bytes < many.n_bytes
