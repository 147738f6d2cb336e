import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.load import load_dictionary, load_replacement
from hooke.errors import BadRequest, HookeError, LabBusy, ShapeMismatch
from hooke.lab import writing
from hooke.progress import showing
from hooke.training.config import TrainConfig
from hooke.training.train import CHECKPOINT, LOG, train, train_replacement, working_folder
from hooke.training.weights import first_weights
from tests.training import planted_layers
from tests.training.planted import D, batch, batches, recovery
from tests.training.test_weights import KINDS

N_TOKENS = 40 * 512


def config(kind: str = "topk", **changes) -> TrainConfig:
    settings = {"n_features": 64, "n_tokens": N_TOKENS, "batch": 512, "lr": 4e-3, "calibration_tokens": 1024}
    settings |= {"checkpoint_every": 10 * 512, "dead_after": 2_000} | KINDS[kind] | changes
    if kind == "matryoshka":
        settings["groups"] = (16, 64)
    return TrainConfig(kind=kind, **settings)


def run(folder: Path, asked: TrainConfig, stream=None, **changes) -> Dictionary:
    settings = {"site": "resid_post.1", "model_name": "planted", "folder": folder} | changes
    return train(asked, stream or batches(), **settings)


def stopping(after: int) -> Iterator[Tensor]:
    yield from islice(batches()(0), after)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("kind", "sparsity", "least"),
    [
        ("topk", 0.0, 0.95),
        ("batchtopk", 0.0, 0.9),
        ("matryoshka", 0.0, 0.75),
        ("relu", 1.0, 0.7),
        ("jumprelu", 0.5, 0.65),
        ("gated", 4.0, 0.6),
    ],
)
def test_planted_features_are_found(kind: str, sparsity: float, least: float, tmp_path: Path):
    asked = config(kind, n_tokens=500 * 512, sparsity=sparsity)
    made = run(tmp_path / "made", asked)
    untrained = first_weights(asked, D, generator=torch.Generator().manual_seed(asked.seed)).decoder
    assert recovery(made.W_dec) > least
    assert recovery(untrained) < 0.5
    # Unseen tokens, encoded one by one with the folded weights.
    x = batch(10**6, 2000)
    fvu = float((x - made(x)).square().sum() / (x - x.mean(0)).square().sum())
    assert fvu < 0.3
    torch.testing.assert_close(made.W_dec.norm(dim=1), torch.ones(64))


@pytest.mark.parametrize("kind", ["batchtopk", "matryoshka"])
def test_the_inference_threshold_gives_the_mean_count_of_training(kind: str, tmp_path: Path):
    made = run(tmp_path / "made", config(kind, n_tokens=300 * 512))
    l0 = float(made.encode(batch(10**6, 8000)).l0().float().mean())
    # Some percent: the threshold is an average over the last batches, while the weights still move.
    assert l0 == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_to_the_same_weights_bit_for_bit(kind: str, tmp_path: Path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected = run(whole, config(kind))
    with pytest.raises(KeyboardInterrupt):
        run(stopped, config(kind), stopping(27))
    assert not stopped.exists()
    assert (working_folder(stopped) / CHECKPOINT).exists()
    asked_for = []

    def counted(skip: int) -> Iterator[Tensor]:
        asked_for.append(skip)
        return batches()(skip)

    found = run(stopped, config(kind), counted)
    assert asked_for == [20]
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    assert not working_folder(stopped).exists()

    def without_speed(folder: Path) -> list[dict]:
        lines = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]

    assert without_speed(stopped) == without_speed(whole)


def test_an_iterator_is_wound_forward_on_going_on(tmp_path: Path):
    expected = run(tmp_path / "whole", config())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", config(), stopping(15))
    found = run(tmp_path / "stopped", config(), batches()(0))
    assert torch.equal(expected.W_dec, found.W_dec)


def _train_slowly(folder: Path) -> None:
    def slow(skip: int) -> Iterator[Tensor]:
        for x in batches()(skip):
            time.sleep(0.02)
            yield x

    run(folder, config(n_tokens=10**6), slow)


def test_a_killed_run_leaves_its_last_checkpoint_and_nothing_that_looks_finished(tmp_path: Path):
    folder = tmp_path / "made"
    process = multiprocessing.get_context("fork").Process(target=_train_slowly, args=(folder,))
    process.start()
    deadline = time.monotonic() + 60
    while not (working_folder(folder) / CHECKPOINT).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not folder.exists()
    asked_for = []

    def ended(skip: int) -> Iterator[Tensor]:
        asked_for.append(skip)
        return iter(())

    with pytest.raises(BadRequest, match="The batches ended after"):
        run(folder, config(n_tokens=10**6), ended)
    assert asked_for[0] >= 10


def test_the_folder_has_everything_that_is_known(tmp_path: Path):
    made = run(tmp_path / "made", config(log_every=7), inputs={"corpus": "abc"})
    assert sorted(path.name for path in tmp_path.glob("made/*")) == [
        "config.json",
        "metrics.json",
        "provenance.json",
        "training.jsonl",
        "weights.safetensors",
    ]
    loaded = load_dictionary(tmp_path / "made")
    assert loaded.config == made.config
    assert (loaded.name, loaded.config.model, loaded.config.reads) == ("made", "planted", ("resid_post.1",))
    lines = [json.loads(line) for line in (tmp_path / "made" / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [7, 14, 21, 28, 35, 40]
    assert lines[-1]["tokens"] == N_TOKENS
    assert lines[-1]["fvu"] < lines[0]["fvu"]
    assert all(line["l0"] == pytest.approx(3, abs=0.2) and line["tokens_per_second"] > 0 for line in lines)
    provenance = json.loads((tmp_path / "made" / "provenance.json").read_text())
    assert provenance["inputs"]["inputs"] == {"corpus": "abc"}
    assert provenance["inputs"]["config"]["lr"] == 4e-3


def test_the_logged_fvu_is_that_of_the_batch(tmp_path: Path):
    # The learning rate of the first step is 0, so the dictionary has the weights that the line was taken at.
    made = run(tmp_path / "made", config(n_tokens=512, warm_up=1.0))
    line = json.loads((tmp_path / "made" / LOG).read_text())
    x = batch(0)
    fvu = float((x - made(x)).square().sum() / (x - x.mean(0)).square().sum())
    assert line["fvu"] == pytest.approx(fvu, rel=1e-4)


def test_progress_counts_tokens(tmp_path: Path):
    class Sink:
        def __init__(self) -> None:
            self.total, self.seen = 0.0, 0.0

        def start(self, job: str, total: float | None, unit: str) -> None:
            assert (job, unit) == ("train", "tokens")
            self.total = total

        def advance(self, job: str, amount: float) -> None:
            self.seen += amount

        def finish(self, job: str) -> None:
            pass

    sink = Sink()
    with showing(sink):
        run(tmp_path / "made", config())
    assert sink.total == N_TOKENS
    assert N_TOKENS - 512 <= sink.seen <= N_TOKENS


def test_a_value_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path):
    def poisoned(skip: int) -> Iterator[Tensor]:
        for number, x in enumerate(batches()(skip), skip):
            yield x.fill_(torch.nan) if number == 25 else x

    with pytest.raises(HookeError, match=r"stopped at step 26.*not finite"):
        run(tmp_path / "made", config(), poisoned)
    assert not (tmp_path / "made").exists()
    # The kept checkpoint is sound: the run goes on from it with healthy batches.
    assert torch.equal(run(tmp_path / "made", config()).W_dec, run(tmp_path / "whole", config()).W_dec)


def test_batches_that_end_early_are_told(tmp_path: Path):
    with pytest.raises(BadRequest, match=r"20,480 tokens.*ended after 5,120"):
        run(tmp_path / "made", config(), batches(stop=10))
    with pytest.raises(BadRequest, match="ended after 0"):
        run(tmp_path / "none", config(), iter(()))


def test_batches_of_another_width_are_refused(tmp_path: Path):
    def widening(skip: int) -> Iterator[Tensor]:
        yield from (batch(0), batch(1), torch.zeros(4, D + 1))

    with pytest.raises(ShapeMismatch, match=r"\(4, 25\)"):
        run(tmp_path / "made", config(), widening)


def test_a_run_that_was_started_differently_is_refused(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "made", config(), stopping(15))
    with pytest.raises(BadRequest, match="config.k was 3, is 4"):
        run(tmp_path / "made", config(k=4))
    with pytest.raises(BadRequest, match="inputs.corpus was None, is b"):
        run(tmp_path / "made", config(), inputs={"corpus": "b"})


def test_two_runs_do_not_write_the_same_dictionary(tmp_path: Path):
    with writing(tmp_path / "made"), pytest.raises(LabBusy):
        run(tmp_path / "made", config())


def replacement(folder: Path, asked: TrainConfig, stream=None, *, crosses_layers: bool = False):
    return train_replacement(
        asked,
        stream or planted_layers.batches(),
        layout=planted_layers.layout(crosses_layers=crosses_layers),
        model_name="planted",
        folder=folder,
    )


@pytest.mark.parametrize("crosses_layers", [False, True])
def test_transcoders_that_were_stopped_go_on_to_the_same_weights_bit_for_bit(crosses_layers: bool, tmp_path: Path):
    asked = config("batchtopk", n_tokens=30 * 256, checkpoint_every=10 * 256, n_features=48, skip=True, dead_after=600)
    expected = replacement(tmp_path / "whole", asked, crosses_layers=crosses_layers)

    def stopped() -> Iterator[Tensor]:
        yield from islice(planted_layers.batches()(0), 17)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replacement(tmp_path / "made", asked, stopped(), crosses_layers=crosses_layers)
    assert (working_folder(tmp_path / "made") / CHECKPOINT).exists()
    with pytest.raises(BadRequest, match="crosses_layers was"):
        replacement(tmp_path / "made", asked, crosses_layers=not crosses_layers)
    replacement(tmp_path / "made", asked, crosses_layers=crosses_layers)
    found, every = load_replacement(tmp_path / "made"), torch.arange(48)
    for layer in planted_layers.LAYERS:
        assert torch.equal(found.encoder_rows(layer, every), expected.encoder_rows(layer, every))
        assert torch.equal(found.bias(layer), expected.bias(layer))
        for target in expected.targets(layer):
            assert torch.equal(found.decoder_rows(layer, every, target), expected.decoder_rows(layer, every, target))


def test_the_folder_of_transcoders_has_what_is_known_of_each_layer(tmp_path: Path):
    replacement(tmp_path / "made", config(n_tokens=8 * 256, n_features=48))
    assert load_dictionary(tmp_path / "made" / "layer-2").name == "made.2"
    metrics = json.loads((tmp_path / "made" / "metrics.json").read_text())
    assert list(metrics["parts"]) == ["mlp_in.1", "mlp_in.2", "mlp_in.4"]
    assert metrics["fvu"] == pytest.approx(sum(one["fvu"] for one in metrics["parts"].values()) / 3)
    provenance = json.loads((tmp_path / "made" / "provenance.json").read_text())
    assert provenance["inputs"]["writes"] == ["mlp_out.1", "mlp_out.2", "mlp_out.4"]
    assert provenance["inputs"]["config"]["ste_to_encoder"] is False
    assert (tmp_path / "made" / LOG).is_file()
