"""Prefixes that hide a text from a monitor: a planted one, whose truth is known."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hooke.directions.pooling import Pooling, running
from hooke.errors import BadRequest
from hooke.monitors.attacks import (
    AttackConfig,
    Target,
    _cheapest,
    losses_of,
    read_embedded,
    rows_embedded,
    smooth_peak,
    soft_prompt,
    token_prompt,
    unattacked,
    unprefixed,
)
from hooke.monitors.redteam import target_of
from hooke.monitors.stream import open_monitor
from tests.monitors.planted import planted_spec, specimen, texts_of

BLIND = AttackConfig(length=4, steps=20, looks=(0, 10), lr=0.5, weight=0.0)
"""An attacker who does not mind what becomes of the model's behaviour."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    found = specimen()
    spec, lab = planted_spec(found, found.model, Path(tmp_path_factory.mktemp("planted")))
    monitor = open_monitor(spec, found.model, lab)
    return target_of(found.model, monitor, texts_of(found), spec.act or 0.0, n=6)


def test_reading_by_embeddings_is_reading(target: Target) -> None:
    texts = [target.texts[0], target.texts[1][:3], target.texts[2][:5]]
    embedded, sites = [target.embed(ids) for ids in texts], target.monitor.sites
    read, shallow = read_embedded(target.model, embedded, sites), rows_embedded(target.model, embedded, sites)
    for ids, (rows, said), same in zip(texts, read, shallow, strict=True):
        run = target.model.run(torch.tensor(ids), capture=sites)
        for site in sites:
            torch.testing.assert_close(rows[site], run[site][0])
            torch.testing.assert_close(same[site], run[site][0])
        assert run.logits is not None
        torch.testing.assert_close(said, run.logits[0, -1].log_softmax(-1))


@pytest.mark.parametrize("pooling", [Pooling(how="last"), Pooling(how="mean"), Pooling(how="ema", window=3)])
def test_the_smooth_peak_is_near_the_peak(pooling: Pooling) -> None:
    scores = torch.tensor([0.0, 50.0, -20.0, 90.0, 0.0], dtype=torch.float64)
    assert float(smooth_peak(scores, pooling)) == pytest.approx(max(running(scores.tolist(), pooling)), abs=0.7)


def test_what_no_pooling_exceeds_stands_in_for_the_others() -> None:
    scores = torch.tensor([0.0, 3.0, -1.0])
    for how in ("max", "rolling", "softmax"):
        pooling = Pooling(how=how)  # pyright: ignore[reportArgumentType]
        assert float(smooth_peak(scores, pooling)) >= max(running(scores.tolist(), pooling))


def test_the_loss_is_of_both_and_its_gradient_reaches_the_prefix(target: Target) -> None:
    prefix = target.table[:2].clone().requires_grad_()
    clean = unprefixed(target, target.texts)
    both, behaviour, evasion = (losses_of(target, prefix, clean, weight) for weight in (0.25, 1.0, 0.0))
    torch.testing.assert_close(both, 0.25 * behaviour + 0.75 * evasion)
    assert float(torch.autograd.grad(both.sum(), prefix)[0].abs().sum()) > 0
    bare = losses_of(target, target.table[:0], clean, 1.0)
    torch.testing.assert_close(bare, torch.zeros_like(bare), atol=1e-6, rtol=0)


def test_an_undefended_planted_monitor_is_broken_by_a_soft_prompt(target: Target) -> None:
    before = unattacked(target)
    looks = [look for look, _ in soft_prompt(target, BLIND)]
    assert (before.caught, before.behaves, before.norm) == (before.n, before.n, 0.0)
    assert [one.step for one in looks] == [0, 10, 20]
    assert looks[0].caught == looks[0].n
    assert looks[-1].caught == 0
    # What it reads decides what the specimen does: hidden from it, the specimen does something else.
    assert looks[-1].behaves < looks[-1].n


def test_tokens_are_swapped_where_that_pays(target: Target) -> None:
    config = replace(BLIND, steps=2, looks=(0,), candidates=4)
    looks = [look for look, _ in token_prompt(target, config)]
    assert [len(one.tokens) for one in looks] == [4, 4]
    assert looks[-1].peak <= looks[0].peak + 0.01
    again = [look for look, _ in token_prompt(target, config)]
    assert again == looks


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.9])
def test_what_is_left_out_could_not_have_won(target: Target, weight: float) -> None:
    drawn = torch.randint(0, len(target.table), (6, 2), generator=torch.Generator().manual_seed(0))
    clean = unprefixed(target, target.texts)
    with torch.no_grad():
        paid = [float(losses_of(target, target.table[one], clean, weight).mean()) for one in drawn]
    for start in (0, 3):
        best, ids = _cheapest(target, list(drawn), clean, weight, (paid[start], drawn[start]))
        assert best == pytest.approx(min(paid), rel=1e-5)
        assert paid[drawn.tolist().index(ids.tolist())] == pytest.approx(min(paid), rel=1e-5)


def test_impossible_attacks_are_refused() -> None:
    for settings in ({"length": 0}, {"weight": 2.0}, {"candidates": 0}):
        with pytest.raises(BadRequest, match="impossible"):
            AttackConfig(**settings)  # pyright: ignore[reportArgumentType]
