"""A monitor fitted anew on the attacks that were found."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from hooke.errors import BadRequest
from hooke.monitors.attacks import AttackConfig, Target, look, soft_prompt, unprefixed
from hooke.monitors.hardening import hardened, refitting
from hooke.monitors.redteam import target_of
from hooke.monitors.stream import OpenMonitor, open_monitor
from tests.monitors.planted import planted_spec, specimen, texts_of

SHORT = AttackConfig(length=4, steps=1, looks=(0,), lr=0.5, weight=0.0)


def _target(folder: Path, n: int = 2) -> Target:
    found = specimen()
    spec, lab = planted_spec(found, found.model, folder)
    return target_of(found.model, open_monitor(spec, found.model, lab), texts_of(found), spec.act or 0.0, n=n)


def test_each_round_attacks_what_was_fitted_on_the_attacks_before(tmp_path: Path) -> None:
    target = _target(tmp_path)
    seen: list[int] = []

    def refit(prefixes: Sequence[Tensor]) -> tuple[OpenMonitor, float]:
        seen.append(len(prefixes))
        return target.monitor, -1e9

    first, *later = hardened(target, SHORT, rounds=2, refit=refit)
    assert seen == [1, 2]
    assert [one.alone and one.alone.caught for one in (first, *later)] == [2, 2, 2]
    blind = hardened(target, SHORT, rounds=1, refit=lambda _: (target.monitor, 1e9))[1]
    assert blind.alone is not None
    assert (blind.alone.caught, blind.alone.norm) == (0, 0)
    assert first.looks[0].caught == 2
    assert [one.looks[-1].caught for one in later] == [2, 2]


def test_what_was_fitted_on_an_attack_sees_it(tmp_path: Path) -> None:
    target = _target(tmp_path, n=6)
    texts = texts_of(specimen())
    prefix = list(soft_prompt(target, replace(SHORT, steps=20)))[-1][1]
    clean = unprefixed(target, target.others)
    assert look(target, prefix, clean, 0).caught == 0
    ordinary = [one for one in texts if not one.label] * 3
    monitor, threshold = refitting(target, texts, ordinary, share=0.1)([prefix])
    again = replace(target, monitor=monitor, threshold=threshold)
    assert look(again, prefix, clean, 0).caught == 6


def test_only_one_probe_at_one_site_is_fitted_anew(tmp_path: Path) -> None:
    target = _target(tmp_path)
    two = replace(target, monitor=replace(target.monitor, scorers=target.monitor.scorers * 2))
    with pytest.raises(BadRequest, match="one site"):
        refitting(two, [], [], share=0.1)
