"""The canary sings where all is well, and falls silent for each way in which monitors may be lost."""

import pytest
import torch

from hooke.models.edits import Add
from hooke.models.model import Model
from hooke.server.gateway.canary import Canary, planted
from hooke.server.gateway.engine import Engine
from tests.server.gateway.doubles import Along, Nan, Raising, Squared, along
from tests.server.loops import awaited

MONITORS = (
    ("a", {"act": 3.0, "do": "stop"}, Along),
    ("b", {"act": 1.0, "how": "mean", "reads": "generated", "warm_up": 1}, Along),
    ("c", {"act": 2.0, "how": "ema"}, Squared),
)


def monitors() -> list[Along]:
    sites = (["resid_post.1"], ["mlp_out.0", "resid_post.1"], ["attn_out.1"])
    return [
        along(name, *site, kind=kind, seed=at, **settings)
        for at, ((name, settings, kind), site) in enumerate(zip(MONITORS, sites, strict=True))
    ]


@pytest.fixture
def engine(gateway_model: Model):
    made = Engine(gateway_model, monitors=monitors())
    yield made
    made.close()


def test_it_fires_every_monitor_and_carries_no_action_out(engine: Engine):
    canary = Canary(engine, monitors())
    assert all(one.is_planted for one in canary.expected)
    assert {one.level for one in canary.expected} == {"act"}
    assert awaited(canary.once()), canary.why
    assert canary.is_well


def test_rows_of_another_place_are_noticed(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    canary = Canary(engine, monitors())
    real = engine._batch.read_prompt

    def shifted(*given, **named):
        prompt = real(*given, **named)
        for site, rows in prompt.read.rows.items():
            prompt.read.rows[site] = rows.roll(1, dims=0)
        return prompt

    monkeypatch.setattr(engine._batch, "read_prompt", shifted)
    assert not awaited(canary.once())
    assert "must" in canary.why or "not at act" in canary.why


def test_steering_that_is_not_applied_is_noticed(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    canary = Canary(engine, monitors())
    real = engine._batch.read_prompt
    monkeypatch.setattr(engine._batch, "read_prompt", lambda ids, edits, sites: real(ids, (), sites))
    assert not awaited(canary.once())


def test_an_engine_that_hangs_or_has_ended_is_noticed(gateway_model: Model, monkeypatch: pytest.MonkeyPatch):
    engine = Engine(gateway_model, monitors=monitors())
    canary = Canary(engine, monitors())
    with monkeypatch.context() as patched:
        patched.setattr(engine, "_admit_one", lambda: None)
        assert not awaited(canary.once(patience=0.3))
        assert "not through" in canary.why
    engine.close()
    assert not awaited(canary.once())
    assert "no more requests" in canary.why


@pytest.mark.parametrize("kind", [Raising, Nan])
def test_a_monitor_that_fails_is_noticed(gateway_model: Model, kind: type[Along]):
    bad = along("bad", "resid_post.1", kind=kind, act=1.0)
    engine = Engine(gateway_model, monitors=[bad])
    canary = Canary(engine, [bad])
    assert [one.is_planted for one in canary.expected] == [False]
    assert not awaited(canary.once())
    assert "failures" in canary.why
    engine.close()


def test_without_monitors_there_is_nothing_to_lose(gateway_model: Model):
    engine = Engine(gateway_model)
    assert awaited(Canary(engine, ()).once())
    engine.close()


def test_what_is_planted_raises_the_score_past_act(gateway_model: Model):
    monitor = along("a", "resid_post.1", act=40.0)
    ids = gateway_model.tokenize("The bridge over the river").ids[0].tolist()
    edit = planted(gateway_model, monitor, ids)
    assert isinstance(edit, Add)
    rows = gateway_model.run(torch.tensor(ids), capture=["resid_post.1"], edits=[edit])
    scores = monitor.scores({site: rows[site][0] for site in monitor.sites})[1:, 0]
    assert float(scores.min()) > 40
