"""Batches: each counted token once, in random order, exactly resumable; damaged stores refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hooke.activations import sampler
from hooke.activations.harvest import ActivationBatch, harvest
from hooke.activations.sampler import ActivationStore, buffered
from hooke.activations.shards import shard_name
from hooke.errors import BadArtefact, BadRequest, UnknownSite
from hooke.lab import open_lab, write_json
from hooke.sites import Site
from tests.activations.small_model import N_TOKENS, POST, SITES, WINDOWS, SmallModel, corpus_of, use_small_shards


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Numbered(SmallModel):
    """Each token's activation is its number in the stream of tokens, so that rows tell where they came from."""

    def run(self, prompts: Tensor, *, capture, logits: bool) -> dict[Site, Tensor]:
        start = 16 * 2 * (len(self.runs) - 1)  # the first run is the one that tells the widths
        self.runs.append((capture, logits))
        numbers = torch.arange(start, start + prompts.numel(), dtype=torch.float32).reshape(prompts.shape)
        return {site: numbers[..., None].expand(*prompts.shape, 3) for site in capture}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActivationStore]:
    """21 windows of 16 tokens in 6 shards; a row holds its own number three times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hooke.activations.shards._SHARD_BYTES", 0)
        use_small_shards()
        lab = open_lab(tmp_path_factory.mktemp("lab"))
        folder = harvest(
            Numbered(), corpus_of(), [POST], name="n", n_tokens=N_TOKENS, windows=WINDOWS, dtype="float32", lab=lab
        )
        yield ActivationStore.open(folder)


def counted_rows(store: ActivationStore) -> set[int]:
    counted = torch.cat([shard["counted"] for shard in store.shards("counted")])
    return set(counted.nonzero().flatten().tolist())


def numbers(batches: Iterator[Tensor]) -> list[int]:
    rows = torch.cat(list(batches))
    assert torch.equal(rows[:, 0], rows[:, 2])
    return rows[:, 0].int().tolist()


# Bytes of memory for the rows of all tokens, or for a few blocks of 4 only.
memories = st.sampled_from([2**30, 12 * 40, 12 * 4])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "BLOCK", 4)


@given(batch=st.integers(1, 100), memory=memories)
def test_an_epoch_gives_each_counted_token_once_and_no_other(store: ActivationStore, batch: int, memory: int):
    found = numbers(store.batches(POST, batch, generator=seeded(), memory=memory))
    assert len(set(found)) == len(found) == store.n_counted // batch * batch
    assert set(found) <= counted_rows(store)


@given(batch=st.integers(1, 100), memory=memories, epochs=st.integers(1, 3))
def test_batches_are_full_and_reach_over_epochs(store: ActivationStore, batch: int, memory: int, epochs: int):
    batches = list(store.batches("resid_post.1", batch, generator=seeded(), epochs=epochs, memory=memory))
    assert {tuple(one.shape) for one in batches} == {(batch, 3)}
    assert {one.dtype for one in batches} == {torch.float32}
    assert len(batches) == epochs * store.n_counted // batch
    found = numbers(iter(batches))
    for epoch in range(epochs - 1):
        rows = found[epoch * store.n_counted : (epoch + 1) * store.n_counted]
        assert set(rows) == counted_rows(store)


@given(batch=st.integers(1, 50), memory=memories, skip=st.integers(0, 40))
def test_skipping_goes_on_exactly(store: ActivationStore, batch: int, memory: int, skip: int):
    def some(skip: int, n: int) -> list[Tensor]:
        return list(islice(store.batches(POST, batch, generator=seeded(), epochs=None, memory=memory, skip=skip), n))

    for one, other in zip(some(0, skip + 5)[skip:], some(skip, 5), strict=True):
        assert torch.equal(one, other)


def test_skipping_past_the_end_gives_nothing(store: ActivationStore):
    assert list(store.batches(POST, 50, generator=seeded(), skip=100)) == []


@pytest.mark.parametrize("memory", [2**30, 12 * 150])
def test_order_comes_from_the_generator_and_changes_each_epoch(store: ActivationStore, memory: int):
    def order(seed: int) -> list[int]:
        return numbers(store.batches(POST, 1, generator=seeded(seed), epochs=2, memory=memory))

    assert order(0) == order(0) != order(1)
    assert order(0)[: store.n_counted] != order(0)[store.n_counted :]
    # A batch mixes windows: 40 random tokens of 21 windows leave few windows out; neighbours would be three windows.
    assert len({number // 16 for number in order(0)[:40]}) >= 12


def test_one_number_is_drawn_from_the_generator_when_the_batches_are_asked_for(store: ActivationStore):
    generator, other = seeded(), seeded()
    first = store.batches(POST, 8, generator=generator)
    store.batches(POST, 8, generator=generator)
    torch.randint(2**62, (2,), generator=other)
    assert torch.equal(generator.get_state(), other.get_state())
    assert torch.equal(next(first), next(store.batches(POST, 8, generator=seeded())))


def test_what_was_not_harvested_is_refused(store: ActivationStore):
    with pytest.raises(UnknownSite, match="Did you mean 'resid_post.1'"):
        store.batches("resid_pots.1", 4, generator=seeded())
    with pytest.raises(BadRequest, match=f"{store.n_counted} counted tokens"):
        store.batches(POST, store.n_counted + 1, generator=seeded())
    assert store.width(POST) == 3
    assert store.sites == (POST,)


# Damaged stores -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(own_lab: Path) -> Path:
    return harvest(SmallModel(), corpus_of(), SITES, name="s", n_tokens=N_TOKENS, windows=WINDOWS)


def test_changed_bytes_are_found_by_verifying(folder: Path):
    store, shard = ActivationStore.open(folder), folder / shard_name(0)
    store.verify()
    data = bytearray(shard.read_bytes())
    data[-2000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(BadArtefact, match="has changed"):
        ActivationStore.open(folder).verify()


@pytest.mark.parametrize("damage", ["cut", "longer", "missing", "other"])
def test_a_shard_that_is_not_the_one_written_is_refused(damage: str, folder: Path):
    shard = folder / shard_name(0)
    data = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes({"cut": data[:-1], "longer": data + b"\0", "other": data.replace(b"z.0", b"z.1")}[damage])
    with pytest.raises(BadArtefact):
        ActivationStore.open(folder)


@pytest.mark.parametrize(
    "change",
    [{"n_tokens": 5}, {"n_counted": -1}, {"n_counted": 10**9}, {"shards": [{}]}, {"shards": []}, {"n_tokens": "x"}],
)
def test_an_account_that_does_not_add_up_is_refused(change: dict[str, object], folder: Path):
    account = json.loads((folder / "complete.json").read_text())
    write_json(folder / "complete.json", account | change)
    with pytest.raises(BadArtefact):
        ActivationStore.open(folder)


def test_an_unfinished_store_is_refused(folder: Path):
    (folder / "complete.json").unlink()
    with pytest.raises(BadArtefact, match="complete.json"):
        ActivationStore.open(folder)


def test_a_mask_that_contradicts_the_account_is_refused(folder: Path):
    store = ActivationStore.open(folder)
    with pytest.raises(BadArtefact, match="counted tokens"):
        replace(store, n_counted=store.n_counted - 1).batches(POST, 4, generator=seeded())


# Live streams -------------------------------------------------------------------------------------------------------


def live(sizes: list[int]) -> Iterator[ActivationBatch]:
    """Batches of numbered tokens; every seventh is not counted."""
    start = 0
    for size in sizes:
        rows = torch.arange(start, start + size)
        values = rows[:, None].expand(size, 3).half() if start + size < 2048 else rows[:, None].expand(size, 3).float()
        yield ActivationBatch(
            sites={POST: values}, tokens=rows, window=rows, position=rows, document=rows, counted=rows % 7 != 0
        )
        start += size


@given(sizes=st.lists(st.integers(1, 60), max_size=20), batch=st.integers(1, 30), buffer=st.integers(1, 120))
def test_a_live_stream_gives_each_counted_token_once(sizes: list[int], batch: int, buffer: int):
    found = list(buffered(live(sizes), POST, batch, generator=seeded(), buffer_tokens=buffer))
    assert all(one.shape == (batch, 3) and one.dtype == torch.float32 for one in found)
    rows = [int(number) for one in found for number in one[:, 0]]
    counted = {number for number in range(sum(sizes)) if number % 7}
    assert len(rows) == len(set(rows)) == len(counted) // batch * batch
    assert set(rows) <= counted


def test_a_live_stream_is_mixed_over_the_buffer_and_kept_at_half():
    given_out, source = [], live([50] * 40)
    seen: list[int] = []

    def watched() -> Iterator[ActivationBatch]:
        for batch in source:
            seen.append(len(batch.tokens))
            yield batch

    for batch in buffered(watched(), POST, 20, generator=seeded(), buffer_tokens=400):
        given_out.append(batch[:, 0])
        # Never more than the buffer and one batch of the stream is held.
        assert sum(seen) * 6 / 7 - 20 * len(given_out) <= 400 + 50
    first = given_out[0]
    # Twenty of the first 400 tokens are spread like uniform numbers (deviation about 135), not like neighbours (6).
    assert 80 < float(first.std()) < 190


def test_several_sites_stand_side_by_side_token_by_token():
    def two(stream: Iterator[ActivationBatch]) -> Iterator[ActivationBatch]:
        for batch in stream:
            yield replace(batch, sites=batch.sites | {Site("embed"): -batch.sites[POST][:, :1].repeat(1, 2)})

    for batch in buffered(two(live([50] * 8)), [Site("embed"), POST], 20, generator=seeded(), buffer_tokens=100):
        assert batch.shape == (20, 5)
        assert torch.equal(batch[:, 0], -batch[:, 2])


def test_a_stream_without_the_site_is_refused():
    with pytest.raises(UnknownSite, match="carries resid_post.1"):
        next(buffered(live([5]), "embed", 2, generator=seeded()))
