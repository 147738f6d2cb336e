from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hooke.activations.harvest import ActivationBatch
from hooke.dictionaries.sparse import sparsify
from hooke.features.shards import BuildFolder, ShardBuffer, ShardReader, orders, read_notes, stable_order
from hooke.features.store import TokenShard, fine_codes
from hooke.features.tokens import Sources, TokenReader
from hooke.text.documents import Corpus, Document
from tests.features.planted import planted_tokenizer

CONTEXT, N_FEATURES, N_WINDOWS, D_VOCAB = 8, 70, 12, 31


@given(st.sampled_from([np.uint16, np.uint32]).flatmap(lambda dtype: arrays(dtype, st.integers(0, 200))))
def test_the_radix_sort_is_a_stable_sort(keys: np.ndarray):
    np.testing.assert_array_equal(stable_order(keys), np.argsort(keys, kind="stable"))


def planted_acts(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    dense = torch.rand(N_WINDOWS * CONTEXT, N_FEATURES, generator=generator)
    dense[dense < 0.9] = 0
    dense[:, 7] = 0
    return dense


def written(folder: Path, dense: torch.Tensor, windows_per_shard: int) -> tuple[BuildFolder, torch.Tensor]:
    """Shards of these activations, and which tokens count."""
    work = BuildFolder(folder, True, False)
    corpus = Corpus(
        name="x", fingerprint="x", read=lambda: iter([Document("the river", f"s{n}") for n in range(N_WINDOWS)])
    )
    sources = Sources(corpus, planted_tokenizer())
    counted = torch.ones(N_WINDOWS, CONTEXT, dtype=torch.bool)
    counted[:, 0] = False
    for number, first in enumerate(range(0, N_WINDOWS, windows_per_shard)):
        buffer = ShardBuffer(N_FEATURES, CONTEXT, first)
        for window in range(first, min(first + windows_per_shard, N_WINDOWS)):
            rows = slice(window * CONTEXT, (window + 1) * CONTEXT)
            batch = ActivationBatch(
                sites={},
                tokens=torch.arange(rows.start, rows.stop) % D_VOCAB,
                window=torch.full((CONTEXT,), window),
                position=torch.arange(CONTEXT),
                document=torch.full((CONTEXT,), window),
                counted=counted[window],
            )
            buffer.add(batch, sparsify(dense[rows]))
        buffer.write(work, number, sources, D_VOCAB)
    return work, counted.flatten()


def reader(work: BuildFolder) -> ShardReader:
    notes = read_notes(work)
    shards = tuple(TokenShard(first=note.first, n_windows=note.n_windows, sha256=note.sha256) for note in notes)
    return ShardReader(work, notes, N_FEATURES, TokenReader(work.text, shards, CONTEXT, D_VOCAB))


@pytest.mark.parametrize("windows_per_shard", [12, 5, 1])
def test_postings_are_the_columns_of_the_activations_however_they_were_sharded(tmp_path: Path, windows_per_shard: int):
    dense = planted_acts()
    work, counted = written(tmp_path, dense, windows_per_shard)
    shards = reader(work)
    expected = torch.where(counted[:, None], dense, 0).numpy()
    np.testing.assert_array_equal(shards.n_active, (expected > 0).sum(0))
    np.testing.assert_allclose(shards.sum, expected.sum(0), rtol=1e-6)
    np.testing.assert_array_equal(shards.max, expected.max(0))
    for first, last in [(0, N_FEATURES), (5, 9)]:
        postings = shards.postings(first, last)
        for place, feature in enumerate(range(first, last)):
            here = postings.of(place)
            positions = np.flatnonzero(expected[:, feature])
            np.testing.assert_array_equal(postings.positions[here], positions)
            np.testing.assert_array_equal(postings.codes[here], fine_codes(expected[positions, feature]))
            np.testing.assert_array_equal(postings.source[here], np.minimum(positions // CONTEXT, 31))


@pytest.mark.parametrize("windows_per_shard", [12, 5])
def test_rows_are_the_rows_of_the_activations(tmp_path: Path, windows_per_shard: int):
    dense = planted_acts()
    work, counted = written(tmp_path, dense, windows_per_shard)
    positions = np.array([90, 3, 0, 41, 3])
    counts, features = reader(work).rows(positions)
    parts = np.split(features, np.cumsum(counts)[:-1])
    for position, found in zip(positions, parts, strict=True):
        expected = np.flatnonzero(dense[position]) if counted[position] else []
        np.testing.assert_array_equal(np.sort(found), expected)


def test_ranges_hold_every_feature_once_and_keep_their_limits(tmp_path: Path):
    shards = reader(written(tmp_path, planted_acts(), 12)[0])
    ranges = list(shards.ranges(30, 8))
    assert [first for first, _ in ranges[1:]] == [last for _, last in ranges[:-1]]
    assert (ranges[0][0], ranges[-1][1]) == (0, N_FEATURES)
    for first, last in ranges:
        assert last - first <= 8
        assert last - first == 1 or shards.n_active[first:last].sum() <= 30


def test_a_shard_without_its_note_does_not_exist(tmp_path: Path):
    work, _ = written(tmp_path, planted_acts(), 5)
    work.note(1).unlink()
    assert [note.first for note in read_notes(work)] == [0]


def test_values_of_a_shard_are_in_both_orders():
    counts, features = np.array([2, 0, 1]), np.array([3, 1, 1], np.uint16)
    rows, part = orders(counts, features, np.array([4.0, 2.0, 8.0], np.float32), 5)
    assert rows["offsets"].tolist() == [0, 2, 2, 3]
    assert part["offsets"].tolist() == [0, 0, 2, 2, 3, 3]
    assert part["positions"].tolist() == [0, 2, 0]
    assert part["sum"].tolist() == [0, 10, 0, 4, 0]
    assert part["max"].tolist() == [0, 8, 0, 4, 0]


def test_nothing_active_is_a_shard_as_well():
    rows, part = orders(np.zeros(3, np.int64), np.empty(0, np.uint16), np.empty(0, np.float32), 4)
    assert rows["offsets"].tolist() == [0, 0, 0, 0]
    assert part["max"].tolist() == [0, 0, 0, 0]
