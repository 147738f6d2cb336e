"""Streams and harvests: the right numbers, each once, whatever happens on the way."""

import json
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hooke.activations import harvest as module
from hooke.activations.harvest import TextModel, harvest, plan, stream
from hooke.activations.sampler import ActivationStore
from hooke.activations.shards import INTEGERS, Shard, ShardEntry, read_spec, shard_name, write_shard
from hooke.errors import BadArtefact, BadConfig, BadRequest, LabBusy, OutOfSpace, PromptTooLong, ShapeMismatch
from hooke.lab import open_lab
from hooke.models.load import load
from hooke.progress import showing
from hooke.text.documents import Corpus
from hooke.text.windows import WindowConfig, windows
from tests.activations.small_model import (
    HEADS,
    N_TOKENS,
    POST,
    SITES,
    WINDOWS,
    SmallModel,
    corpus_of,
    slow_harvest,
    use_small_shards,
)
from tests.text.small_tokenizer import small_corpus


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six shards in a float16 harvest: 21 windows, 4 a shard."""
    monkeypatch.setattr("hooke.activations.shards._SHARD_BYTES", 0)
    use_small_shards()


def harvested(name: str = "small", model: SmallModel | None = None, corpus: Corpus | None = None, **settings) -> Path:
    defaults = {"n_tokens": N_TOKENS, "windows": WINDOWS}
    return harvest(model or SmallModel(), corpus or corpus_of(), SITES, name=name, **defaults | settings)


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a store but its manifest, which holds a date."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_stream_holds_what_the_model_says_of_each_token():
    model, corpus = SmallModel(), corpus_of()
    batches = list(stream(model, corpus, SITES, windows=WINDOWS, n_tokens=N_TOKENS - 15))
    assert [len(batch.tokens) for batch in batches] == [32] * 10 + [16]
    assert model.runs == [((HEADS, POST), False)] * 11
    cut = list(windows(corpus, model.tokenizer, WINDOWS, stop=21))
    for batch, expected in zip(batches, cut, strict=True):
        run = model.run(expected.tokens, capture=(HEADS, POST), logits=False)
        assert torch.equal(batch.sites[POST], run[POST].flatten(0, 1))
        assert torch.equal(batch.sites[HEADS], run[HEADS].reshape(-1, 6))
        assert torch.equal(batch.tokens, expected.tokens.flatten())
        assert torch.equal(batch.document, expected.document.flatten())
        assert torch.equal(batch.counted, expected.counted.flatten())
        numbers = torch.arange(len(batch.tokens))
        assert torch.equal(batch.window, expected.first + numbers // 16)
        assert torch.equal(batch.position, numbers % 16)


def test_a_stream_can_start_at_any_window():
    whole = list(stream(SmallModel(), corpus_of(), [POST], windows=WINDOWS, n_tokens=N_TOKENS))
    later = list(stream(SmallModel(), corpus_of(), [POST], windows=WINDOWS, n_tokens=N_TOKENS - 8 * 16, start=8))
    assert len(later) == len(whole) - 4
    for one, other in zip(whole[4:], later, strict=True):
        assert torch.equal(one.sites[POST], other.sites[POST])
        assert torch.equal(one.window, other.window)


def test_a_store_holds_the_stream():
    folder = harvested(dtype="float32")
    store = ActivationStore.open(folder)
    assert store.sites == (HEADS, POST)
    assert store.shard_tokens == (*[32] * 10, 16)
    names = [*INTEGERS, "counted", *SITES]
    found = {name: torch.cat([shard[name] for shard in store.shards(*names)]) for name in names}
    batches = list(stream(SmallModel(), corpus_of(), SITES, windows=WINDOWS, n_tokens=N_TOKENS))
    for name in (*INTEGERS, "counted"):
        assert torch.equal(found[name], torch.cat([getattr(batch, name) for batch in batches]).to(found[name].dtype))
    for site in (POST, HEADS):
        assert torch.equal(found[str(site)], torch.cat([batch.sites[site] for batch in batches]))
    assert store.n_counted == int(found["counted"].sum())
    store.verify()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_values_are_rounded_once_to_the_storage_dtype(dtype: str):
    found = torch.cat([shard["z.0"] for shard in ActivationStore.open(harvested(dtype=dtype)).shards("z.0")])
    batches = stream(SmallModel(), corpus_of(), ["z.0"], windows=WINDOWS, n_tokens=N_TOKENS)
    assert torch.equal(found, torch.cat([batch.sites[HEADS] for batch in batches]).to(getattr(torch, dtype)))


def test_the_account_and_the_manifest_say_what_happened():
    folder = harvested()
    account = json.loads((folder / "complete.json").read_text())
    assert account["n_tokens"] == N_TOKENS == account["text"]["n_tokens"]
    assert account["n_counted"] == N_TOKENS - 21 - sum(
        int(((batch.tokens == 3) & (batch.position != 0)).sum())
        for batch in stream(SmallModel(), corpus_of(), [POST], windows=WINDOWS, n_tokens=N_TOKENS)
    )
    assert account["n_clamped"] == 0
    assert account["text"]["by_source"].keys() == {"prose"}
    assert len(account["shards"]) == 6
    spec = read_spec(folder)
    assert (spec.sites, spec.dtype, spec.windows) == ({"z.0": 6, "resid_post.1": 8}, "float16", WINDOWS)
    assert json.loads((folder / "manifest.json").read_text())["provenance"]["inputs"] == {
        "model": "weights-1",
        "corpus": "small-60",
    }


def test_a_corpus_that_ends_before_gives_what_it_has():
    folder = harvested(corpus=corpus_of(20), n_tokens=10_000)
    store, account = ActivationStore.open(folder), json.loads((folder / "complete.json").read_text())
    assert store.n_tokens == account["text"]["n_windows"] * 16 < 10_000
    assert 0 < account["text"]["n_dropped"] < 16
    assert harvested(corpus=corpus_of(20), n_tokens=10_000) == folder


# Numbers that the storage dtype cannot hold -------------------------------------------------------------------------


def test_large_values_at_position_0_are_clamped_and_counted():
    model = SmallModel()
    model.first_token_scale = 1e6
    folder = harvested(model=model)
    store = ActivationStore.open(folder)
    values, position = (
        torch.cat([shard[name] for shard in store.shards(name)]) for name in ("resid_post.1", "position")
    )
    assert values[position == 0].abs().max() == torch.finfo(torch.float16).max
    assert values.isfinite().all()
    # Both sites of each of the 21 windows.
    assert json.loads((folder / "complete.json").read_text())["n_clamped"] == 42


@pytest.mark.parametrize("value", [1e6, float("inf"), float("nan")])
def test_large_values_that_count_are_refused_with_the_dtype_that_holds_them(value: float):
    model = SmallModel()
    model._table[model.tokenizer.convert_tokens_to_ids("k"), 2] = value
    with pytest.raises(BadConfig, match=r"float16 cannot hold the activations at z.0.*bfloat16") as refusal:
        harvested(model=model)
    assert refusal.value.exit_code == 2
    if value == 1e6:
        assert ActivationStore.open(harvested("wide", model, dtype="bfloat16")).n_tokens == N_TOKENS


# Refusals before anything is written --------------------------------------------------------------------------------


def nothing_there(lab: Path) -> bool:
    return [path for path in lab.rglob("*") if path.is_file() and not path.name.endswith(".lock")] == []


def test_words_that_are_wrong_leave_nothing_behind(own_lab: Path):
    with pytest.raises(BadRequest, match="no value for each token"):
        harvest(SmallModel(), corpus_of(), ["pattern.0"], name="x", n_tokens=9)
    with pytest.raises(BadRequest, match="does not fill one window of 16"):
        harvested(corpus=small_corpus("too short"))
    with pytest.raises(ShapeMismatch, match="does not belong"):
        harvested(model=SmallModel(d_vocab=5))
    with pytest.raises(BadConfig, match="float8"):
        harvested(dtype="float8")
    with pytest.raises(BadRequest, match="not a name"):
        harvested("../outside")
    assert nothing_there(own_lab)


def test_a_plan_says_what_a_harvest_will_store_and_how_much():
    need = plan(SmallModel(), corpus_of(), SITES, windows=WINDOWS, n_tokens=N_TOKENS, dtype="float16")
    folder = harvested()
    assert need == read_spec(folder)
    n_bytes = sum(path.stat().st_size for path in folder.glob("shard-*"))
    assert n_bytes <= need.n_bytes <= n_bytes + 10_000 * need.n_shards


def test_disk_need_is_checked_first(own_lab: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hooke.lab.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    model = SmallModel()
    with pytest.raises(OutOfSpace, match="0 of 6 shards"):
        harvested(model=model)
    assert len(model.runs) == 1  # the first window, which tells the widths


# Going on -----------------------------------------------------------------------------------------------------------


def test_a_finished_harvest_is_not_made_twice():
    folder = harvested()
    model = SmallModel()
    assert harvested(model=model) == folder
    assert len(model.runs) == 1


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("model_fingerprint", {"model": SmallModel(fingerprint="weights-2")}),
        ("corpus_fingerprint", {"corpus": replace(corpus_of(), fingerprint="other")}),
        ("dtype", {"dtype": "float32"}),
        ("windows", {"windows": WindowConfig(context=16, batch=4)}),
        ("n_tokens", {"n_tokens": N_TOKENS + 1}),
    ],
)
def test_a_name_belongs_to_one_harvest(
    field: str, changes: dict[str, object], is_finished: bool, monkeypatch: pytest.MonkeyPatch, own_lab: Path
):
    if is_finished:
        harvested()
    else:
        stopped_after(2, monkeypatch)
    with pytest.raises(BadRequest, match=f"Its {field} is .* not "):
        harvested(**changes)
    assert harvested().name == "small"


def stopped_after(n_shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A harvest whose disk fills up while shard number `n_shards` is being written."""
    full = Path("/dev/full")
    with monkeypatch.context() as patch:
        patch.setattr("hooke.lab.uuid4", lambda: SimpleNamespace(hex="0" * 8))
        patch.setattr("hooke.lab.os.getpid", lambda: 1)

        def write(path: Path, shard: Shard) -> ShardEntry:
            if path.name == shard_name(n_shards):
                path.with_name(f".{path.name}.1-00000000").symlink_to(full)
            return write_shard(path, shard)

        patch.setattr(module, "write_shard", write)
        with pytest.raises(OutOfSpace, match=f"is full. {n_shards} of 6 shards are finished and kept"):
            harvested()


@pytest.mark.parametrize("n_shards", [0, 3, 5])
def test_a_full_disk_keeps_what_is_finished_and_the_harvest_goes_on(
    n_shards: int, own_lab: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = contents(harvested("whole"))
    stopped_after(n_shards, monkeypatch)
    assert open_lab().names("activations") == ["whole"]
    with pytest.raises(BadArtefact):
        ActivationStore.open(own_lab / "activations" / ".small.partial")
    model = SmallModel()
    assert contents(harvested(model=model)) == whole
    # Only the missing shards ran: 2 batches a shard, 11 in all, and the first window for the widths.
    assert len(model.runs) == 1 + 11 - 2 * n_shards


def test_a_damaged_shard_is_harvested_again(own_lab: Path, monkeypatch: pytest.MonkeyPatch):
    whole = contents(harvested("whole"))
    stopped_after(4, monkeypatch)
    path = own_lab / "activations" / ".small.partial" / shard_name(1)
    path.write_bytes(path.read_bytes()[:-3])
    assert contents(harvested()) == whole


def in_another_process(*arguments: object) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.activations.small_model"])
    process = context.Process(target=slow_harvest, args=arguments)
    process.start()
    return process


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_a_harvest_killed_again_and_again_ends_in_the_same_bytes(own_lab: Path):
    whole = contents(harvested("whole"))
    partial = own_lab / "activations" / ".small.partial"
    moments, n_killed, n_found = random.Random(4), 0, set()

    def files() -> set[str]:
        return {path.name for path in partial.glob("*")}

    while not (own_lab / "activations" / "small").exists():
        before = files()
        process = in_another_process(str(own_lab), "small")
        # A shard takes the model 0.04 s, and 0.03 s pass between the writing and the renaming of a file.
        wait_for(lambda before=before, process=process: files() != before or not process.is_alive())
        process.join(moments.uniform(0, 0.08))
        if process.is_alive():
            process.kill()
            n_killed += 1
        process.join()
        assert process.exitcode in (0, -9)
        n_found.add(len(list(partial.glob("shard-*.safetensors"))))
    assert n_killed >= 3
    assert len(n_found) >= 3
    found = contents(own_lab / "activations" / "small")
    assert found.keys() == whole.keys()
    assert found == whole


def test_two_processes_on_one_name_exclude_each_other(own_lab: Path):
    process = in_another_process(str(own_lab), "small")
    wait_for((own_lab / "activations" / ".small.partial" / "manifest.json").exists)
    with pytest.raises(LabBusy, match=f"process {process.pid}"):
        harvested()
    process.join(60)
    assert process.exitcode == 0
    assert ActivationStore.open(harvested()).n_tokens == N_TOKENS


# While it runs ------------------------------------------------------------------------------------------------------


class Recorder:
    """A progress sink that remembers."""

    def __init__(self) -> None:
        self.said: list[tuple[object, ...]] = []

    def start(self, job: str, total: float | None, unit: str) -> None:
        self.said.append(("start", job, total, unit))

    def advance(self, job: str, amount: float) -> None:
        self.said.append(("advance", job, amount))

    def finish(self, job: str) -> None:
        self.said.append(("finish", job))


def test_progress_counts_tokens():
    recorder = Recorder()
    with showing(recorder):
        harvested()
    assert recorder.said[0] == ("start", "harvest", N_TOKENS, "tokens")
    assert sum(float(str(one[2])) for one in recorder.said if one[0] == "advance") == N_TOKENS
    assert recorder.said[-1] == ("finish", "harvest")


def test_a_slow_disk_holds_the_model_back_so_that_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch):
    model, ahead = SmallModel(), []

    def write(path: Path, shard: Shard) -> ShardEntry:
        assert threading.current_thread() is not threading.main_thread()
        time.sleep(0.05)
        ahead.append(len(model.runs) - 1 - 2 * int(path.stem.split("-")[1]))
        return write_shard(path, shard)

    monkeypatch.setattr(module, "write_shard", write)
    harvested(model=model)
    # A shard is 2 runs: the one being written, and at most one more that is full.
    assert max(ahead) <= 4
    assert max(ahead) > 2


def test_the_work_goes_through_the_engine():
    parts: list[int] = []

    class Counting:
        def map(self, function, items) -> Iterator:
            for item in items:
                parts.append(item)
                yield function(item)

    harvested(engine=Counting())
    assert parts == [0]


# The real model -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_real_model_harvests_what_its_own_code_computes(shared_lab: Path):
    model = load("smollm2-135m", lab=open_lab(shared_lab), device="cpu")
    assert isinstance(model, TextModel)
    corpus = small_corpus("The Eiffel Tower stands in Paris, the capital of France. " * 12)
    config = WindowConfig(context=48, batch=2)
    folder = harvest(model, corpus, ["resid_post.15", "embed"], name="x", n_tokens=96, windows=config, dtype="float32")
    (shard,) = ActivationStore.open(folder).shards("resid_post.15", "tokens", "embed")
    tokens = shard["tokens"].long().reshape(2, 48)
    with torch.no_grad():
        states = model.hf(input_ids=tokens, output_hidden_states=True).hidden_states
    # The same code on the same machine; blocks behind the captured one change nothing before it.
    torch.testing.assert_close(shard["resid_post.15"].reshape(2, 48, -1), states[16], rtol=1e-5, atol=1e-4)
    assert torch.equal(shard["embed"].reshape(2, 48, -1), states[0])
    with pytest.raises(PromptTooLong):
        harvest(model, corpus_of(9000), ["embed"], name="y", n_tokens=1, windows=WindowConfig(context=9000, batch=1))
