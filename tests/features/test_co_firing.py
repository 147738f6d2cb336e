"""Sums over tokens are those of the dense matrices, however the text is cut into shards and features into ranges."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hooke.activations.harvest import ActivationBatch
from hooke.errors import BadRequest
from hooke.features import co_firing as module
from hooke.features.co_firing import CHOICE, TRIAL, firing, read_co_firing
from hooke.text.windows import WindowConfig
from tests.features.planted import World, planted_corpus
from tests.features.planted_pairs import CONTEXT, co_firing, counted, sparse_acts

N_WINDOWS = 22


@pytest.fixture(params=[4, 8, 1000])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "SHARD_WINDOWS", request.param)
    return request.param


def windows_moved(acts: np.ndarray, cut: int, quarters: int) -> np.ndarray:
    """The text with the windows of each shard moved on."""
    by_window = acts.reshape(N_WINDOWS, CONTEXT, -1)
    parts = [by_window[first : first + cut] for first in range(0, N_WINDOWS, cut)]
    moved = [np.roll(part, max(1, len(part) * quarters // 4) if quarters else 0, axis=0) for part in parts]
    return np.concatenate(moved).reshape(len(acts), -1)


@pytest.mark.parametrize("shift", [0, TRIAL, CHOICE])
def test_sums_are_products_of_the_dense_matrices(tmp_path: Path, cut: int, shift: int):
    one, other = sparse_acts(N_WINDOWS, 7), sparse_acts(N_WINDOWS, 11, seed=1)
    found = co_firing(tmp_path, one, other)
    own, theirs = counted(one), counted(other)
    assert found.n_counted == N_WINDOWS * (CONTEXT - 1)
    assert found.n_windows == N_WINDOWS
    moved = windows_moved(own, cut, shift)
    for weighed in ((False, False), (True, False), (False, True), (True, True)):
        first = moved if weighed[0] else moved > 0
        second = theirs if weighed[1] else theirs > 0
        expected = first.T.astype(float) @ second.astype(float)
        np.testing.assert_allclose(found.sums(0, 1, 2, 6, weighed=weighed, shift=shift), expected[2:6], rtol=1e-5)


def test_halves_are_the_windows_of_even_and_of_odd_numbers(tmp_path: Path, cut: int):
    one = sparse_acts(N_WINDOWS, 5)
    found = co_firing(tmp_path, one)
    both = [found.sums(0, 0, 0, 5, half=half) for half in (0, 1)]
    is_even = np.arange(len(one)) // CONTEXT % 2 == 0
    own = (counted(one) > 0).astype(float)
    np.testing.assert_allclose(both[0], own[is_even].T @ own[is_even])
    np.testing.assert_allclose(both[0] + both[1], own.T @ own)


def test_totals_are_those_of_each_feature(tmp_path: Path, cut: int):
    one = sparse_acts(N_WINDOWS, 5)
    totals = co_firing(tmp_path, one).totals[0]
    own = counted(one)
    np.testing.assert_array_equal(totals.n_active, (own > 0).sum(0))
    np.testing.assert_allclose(totals.sum, own.sum(0), rtol=1e-5)
    np.testing.assert_allclose(totals.squares, (own**2).sum(0), rtol=1e-5)


def test_ratios_have_intervals_over_windows(tmp_path: Path):
    """Firings in runs say less than as many that are scattered: the interval must know."""
    rng = np.random.default_rng(0)
    n_windows = 200
    scattered = np.zeros((n_windows * CONTEXT, 2))
    scattered[:, 0] = 1
    scattered[:, 1] = rng.random(len(scattered)) < 0.3
    runs = scattered.copy()
    runs[:, 1] = np.repeat(rng.random(n_windows) < 0.3, CONTEXT)
    widths = []
    for name, acts in (("scattered", scattered), ("runs", runs)):
        found = co_firing(tmp_path / name, acts)

        def columns(shard) -> list:
            own = firing(shard.taken(0, np.array([1])))
            return [own, firing(shard.taken(0, np.array([0])))]

        share, bounds = found.moments(columns).ratio(0, 1)
        assert bounds[0, 0] < share[0] < bounds[0, 1]
        assert share[0] == pytest.approx((counted(acts) > 0)[:, 1].sum() / found.n_counted)
        widths.append(bounds[0, 1] - bounds[0, 0])
    # A share of n independent ones has 2 · 1.96 · sqrt(p q / n).
    assert widths[0] == pytest.approx(3.92 * np.sqrt(0.21 / (n_windows * (CONTEXT - 1))), rel=0.15)
    assert widths[1] == pytest.approx(3.92 * np.sqrt(0.21 / n_windows), rel=0.15)


def test_a_pass_that_was_stopped_goes_on(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHARD_WINDOWS", 20)
    asked = {"n_tokens": world.n_tokens, "windows": world.windows}
    whole = read_co_firing(world.model, [world.dictionary], world.corpus, folder=tmp_path / "whole", **asked)
    real, starts = module.stream, []

    def stopping(*args, **settings) -> Iterator[ActivationBatch]:
        starts.append(settings["start"])
        for number, batch in enumerate(real(*args, **settings)):
            if number == 7 and len(starts) == 1:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(module, "stream", stopping)
    with pytest.raises(KeyboardInterrupt):
        read_co_firing(world.model, [world.dictionary], world.corpus, folder=tmp_path / "stopped", **asked)
    again = read_co_firing(world.model, [world.dictionary], world.corpus, folder=tmp_path / "stopped", **asked)
    assert starts == [0, 20]
    assert again.n_counted == whole.n_counted
    np.testing.assert_array_equal(again.sums(0, 0, 0, 6), whole.sums(0, 0, 0, 6))


def test_a_text_of_one_window_is_refused(world: World, tmp_path: Path):
    windows = WindowConfig(context=64, batch=4)
    with pytest.raises(BadRequest, match="does not fill two windows of 64 tokens"):
        read_co_firing(
            world.model, [world.dictionary], planted_corpus(3), n_tokens=999, windows=windows, folder=tmp_path
        )
