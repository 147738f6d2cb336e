from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.features.examples import (
    AFTER,
    BEFORE,
    N_PER_BAND,
    N_TOP,
    by_strength,
    choose_examples,
    evenly,
    example_arrays,
)
from hooke.features.shards import Postings
from hooke.features.store import TokenShard, coarse_codes, fine_codes, save_tensors
from hooke.features.tokens import TokenReader, shard_path

CONTEXT = 64


def postings(*features: dict[int, float], first: int = 0) -> Postings:
    """Postings of features given as position -> activation."""
    ordered = [sorted(feature.items()) for feature in features]
    flat = [entry for feature in ordered for entry in feature]
    values = np.array([value for _, value in flat], np.float32)
    return Postings(
        first,
        np.concatenate([[0], np.cumsum([len(feature) for feature in ordered])]).astype(np.int64),
        np.array([position for position, _ in flat], np.int64),
        fine_codes(values),
        np.zeros(len(flat), np.uint8),
    )


def text(folder: Path, tokens: np.ndarray, document: np.ndarray | None = None) -> TokenReader:
    n_windows = tokens.shape[0]
    save_tensors(
        shard_path(folder, 0),
        {
            "tokens": tokens.astype(np.uint16),
            "document": np.arange(n_windows, dtype=np.int32)[:, None].repeat(CONTEXT, 1)
            if document is None
            else document,
            "counted": np.ones(tokens.shape, bool),
            "source": np.zeros(tokens.shape, np.uint8),
        },
    )
    return TokenReader(folder, (TokenShard(first=0, n_windows=n_windows, sha256=""),), CONTEXT, 60_000)


@given(
    st.lists(
        st.dictionaries(st.integers(0, 500), st.sampled_from([0.5, 1.0, 2.0, 7.0]), max_size=30), min_size=1, max_size=4
    )
)
def test_entries_are_ordered_by_strength_within_their_feature(features: list[dict[int, float]]):
    given = postings(*features)
    order = by_strength(given)
    assert sorted(order.tolist()) == list(range(len(order)))
    for place in range(len(given)):
        here = order[given.of(place)]
        assert set(here.tolist()) == set(range(given.of(place).start, given.of(place).stop))
        assert np.all(np.diff(given.codes[here].astype(int)) <= 0)


def test_equals_do_not_come_in_the_corpus_s_order():
    given = postings(dict.fromkeys(range(1000), 1.0))
    first = given.positions[by_strength(given)[:100]]
    assert first.max() > 800
    assert first.min() < 200


@given(st.lists(st.integers(0, 300), min_size=1, max_size=5), st.integers(1, 128))
def test_a_sample_is_even_without_repeats_and_all_where_there_are_few(sizes: list[int], n: int):
    counts = np.array(sizes)
    starts = np.cumsum(counts) - counts
    entries, valid = evenly(starts, counts, n)
    for place, size in enumerate(sizes):
        chosen = entries[place][valid[place]] - starts[place]
        assert len(set(chosen.tolist())) == len(chosen) == min(size, n)
        assert np.all((chosen >= 0) & (chosen < size))
        if size > n > 1:
            steps = np.diff(chosen)
            assert steps.max() - steps.min() <= 1


def chosen_positions(given: Postings, source: TokenReader, group: int) -> list[int]:
    chosen, groups, offsets = choose_examples(given, by_strength(given), source)
    assert offsets.tolist() == [0, len(chosen)]
    return given.positions[chosen[groups == group]].tolist()


def test_the_strongest_of_each_window_are_chosen_in_order(tmp_path: Path):
    rng = np.random.default_rng(0)
    source = text(tmp_path, rng.integers(0, 60_000, (200, CONTEXT)))
    firings = {window * CONTEXT + 20: 1 + window / 10 for window in range(200)}
    firings |= {window * CONTEXT + 30: 0.5 + window / 10 for window in range(200)}
    best = [window * CONTEXT + 20 for window in range(199, 199 - N_TOP, -1)]
    assert chosen_positions(postings(firings), source, 0) == best


def test_a_repeated_context_is_shown_once(tmp_path: Path):
    source = text(tmp_path, np.tile(np.arange(CONTEXT), (200, 1)))
    firings = {window * CONTEXT + 20: 9.0 for window in range(100)} | {
        window * CONTEXT + 40: 1.0 for window in range(100, 200)
    }
    chosen, groups, _ = choose_examples(postings(firings), by_strength(postings(firings)), source)
    places = postings(firings).positions[chosen] % CONTEXT
    assert sorted(places.tolist()) == [20, 40]


def test_a_document_comes_at_most_twice_in_a_group_where_there_are_others(tmp_path: Path):
    rng = np.random.default_rng(0)
    document = np.repeat(np.arange(10, dtype=np.int32), 20)[:, None].repeat(CONTEXT, 1)
    source = text(tmp_path, rng.integers(0, 60_000, (200, CONTEXT)), document)
    firings = {window * CONTEXT + 20: float(1000 - window) for window in range(200)}
    windows = [position // CONTEXT for position in chosen_positions(postings(firings), source, 0)]
    assert len(windows) == N_TOP
    # 128 candidates reach seven documents: two of each, and six more of the strongest to fill up.
    counts = np.bincount(np.array(windows) // 20, minlength=10)
    assert counts[1:7].tolist() == [2] * 6
    assert counts[0] == N_TOP - 12
    assert windows == sorted(windows)


def test_a_single_document_still_fills_a_group(tmp_path: Path):
    rng = np.random.default_rng(0)
    source = text(tmp_path, rng.integers(0, 60_000, (200, CONTEXT)), np.zeros((200, CONTEXT), np.int32))
    given = postings({window * CONTEXT + 20: float(window + 1) for window in range(200)})
    chosen, groups, _ = choose_examples(given, by_strength(given), source)
    assert np.bincount(groups).tolist() == [N_TOP, *[N_PER_BAND] * 5]


def test_groups_come_from_their_fifth_of_the_firings(tmp_path: Path):
    rng = np.random.default_rng(0)
    source = text(tmp_path, rng.integers(0, 60_000, (500, CONTEXT)))
    given = postings({window * CONTEXT + 20: float(window + 1) for window in range(500)})
    chosen, groups, _ = choose_examples(given, by_strength(given), source)
    rank = 499 - given.positions[chosen] // CONTEXT
    for band in range(1, 6):
        assert np.all(rank[groups == band] // 100 == band - 1)


@pytest.mark.parametrize("position", [0, 5, 40, 63])
def test_activations_around_a_peak_are_cut_at_the_window(position: int):
    rng = np.random.default_rng(0)
    values = {int(place): float(value) for place, value in enumerate(rng.random(3 * CONTEXT) + 0.1)}
    given = postings({0: 5.0}, values)
    chosen = np.array([1 + CONTEXT + position])
    top = int(given.codes.max())
    arrays = example_arrays(given, chosen, np.zeros(1, np.uint8), np.array([0, 0, 1]), CONTEXT, top)
    begin, end = max(0, position - BEFORE), min(CONTEXT, position + AFTER + 1)
    assert arrays["example_counts"].tolist() == [0, 1]
    assert arrays["example_window"].tolist() == [1]
    assert arrays["example_position"].tolist() == [position]
    assert arrays["activation_place"].tolist() == list(range(end - begin))
    expected = np.array([values[CONTEXT + place] for place in range(begin, end)], np.float32)
    np.testing.assert_array_equal(arrays["activation_code"], coarse_codes(fine_codes(expected), top))


def test_a_feature_that_never_fires_has_no_examples(tmp_path: Path):
    source = text(tmp_path, np.zeros((4, CONTEXT)))
    given = postings({}, {70: 1.0}, {})
    chosen, groups, offsets = choose_examples(given, by_strength(given), source)
    assert offsets.tolist() == [0, 0, 1, 1]
    assert given.positions[chosen].tolist() == [70]
