"""Fine-tuning: the divergence falls, a stopped run goes on to the same weights, and what cannot be is refused."""

import dataclasses
import importlib
import json
from pathlib import Path

import pytest
import torch

from hooke.dictionaries import Dictionary, load_dictionary
from hooke.errors import BadConfig, BadRequest, HookeError, ShapeMismatch
from hooke.evaluate.splicing import SplicingConfig, splicing
from hooke.models.neurons import neurons_of
from hooke.text.windows import WindowConfig
from hooke.training import finetune as package_finetune
from hooke.training.finetune import FinetuneConfig, finetune
from hooke.training.train import CHECKPOINT, working_folder
from tests.models.small_dictionary import small_dictionary
from tests.training.small_text import KINDS, dictionary_of, text, text_model, transcoder

WINDOWS = WindowConfig(context=24, batch=4)
N_STEPS = 8


def config(**changes) -> FinetuneConfig:
    settings = {"n_tokens": N_STEPS * 96, "lr": 0.02, "checkpoint_every": 3 * 96}
    return FinetuneConfig(**(settings | changes))


def run(folder: Path, dictionary: Dictionary, **changes) -> Dictionary:
    settings = {"config": config(), "windows": WINDOWS, "inputs": {"dictionary": "abc"}} | changes
    return finetune(text_model(), dictionary, settings.pop("corpus", text()), folder=folder, **settings)


def measured(before: Dictionary, after: Dictionary) -> dict[str, float]:
    found = splicing(text_model(), before, after, text(), config=SplicingConfig(n_windows=8, windows=WINDOWS))
    values = {one.claim.removeprefix(f"{after.name}: "): one.value for one in found if "change" not in one.claim}
    return dict(zip(("divergence", "loss", "error", "l0"), values.values(), strict=True))


@pytest.mark.parametrize("of", [*KINDS, "transcoder", "heads", "last layer"])
def test_the_divergence_falls(of: str, tmp_path: Path):
    made = {"transcoder": transcoder, "heads": lambda: dictionary_of("topk", "z.1")}
    made |= {"last layer": lambda: dictionary_of("topk", "resid_post.2")}
    before = made.get(of, lambda: dictionary_of(of))()
    kept = {name: tensor.clone() for name, tensor in before.state_dict().items()}
    after = run(tmp_path / "after", before)
    now, then = measured(before, after), measured(before, before)
    assert now["divergence"] < 0.97 * then["divergence"]
    for name, tensor in before.state_dict().items():
        assert torch.equal(tensor, kept[name]), name
    torch.testing.assert_close(after.W_dec.norm(dim=1), before.W_dec.norm(dim=1))
    assert (after.threshold is None) == (before.threshold is None)
    if after.threshold is not None:
        assert torch.equal(after.threshold, before.threshold)
    assert now["l0"] <= 1.1 * then["l0"]


def test_more_training_on_reconstruction_does_less_for_the_model(tmp_path: Path):
    before = dictionary_of("topk")
    ours = run(tmp_path / "ours", before)
    control = run(tmp_path / "control", before, config=config(objective="reconstruction"))
    free = run(tmp_path / "free", before, config=config(reconstruction=0.0))
    found, other, alone = (measured(before, one) for one in (ours, control, free))
    assert found["divergence"] < other["divergence"]
    assert other["error"] < found["error"] < alone["error"]


@pytest.mark.parametrize("kind", ["topk", "gated"])
def test_a_stopped_run_goes_on_to_the_same_weights_bit_for_bit(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = dictionary_of(kind)
    expected = run(tmp_path / "whole", before)
    _stop_after(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", before)
    monkeypatch.undo()
    assert not (tmp_path / "stopped").exists()
    assert (working_folder(tmp_path / "stopped") / CHECKPOINT).exists()
    with pytest.raises(BadRequest, match="config.lr was 0.02, is 0.5"):
        run(tmp_path / "stopped", before, config=config(lr=0.5))
    with pytest.raises(BadRequest, match="inputs.dictionary was abc, is d"):
        run(tmp_path / "stopped", before, inputs={"dictionary": "d"})
    found = run(tmp_path / "stopped", before)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    assert not working_folder(tmp_path / "stopped").exists()
    lines = [
        [
            {**json.loads(line), "tokens_per_second": 0}
            for line in (tmp_path / name / "training.jsonl").read_text().splitlines()
        ]
        for name in ("whole", "stopped")
    ]
    assert lines[0] == lines[1]


def _stop_after(monkeypatch: pytest.MonkeyPatch, n_steps: int) -> None:
    module = importlib.import_module("hooke.training.finetune")
    step, made = module._step, []

    def stopping(*args):
        if len(made) == n_steps:
            raise KeyboardInterrupt
        made.append(0)
        return step(*args)

    monkeypatch.setattr(module, "_step", stopping)


def test_the_folder_says_what_it_was_made_from(tmp_path: Path):
    assert package_finetune is finetune
    run(tmp_path / "after", dictionary_of("topk"))
    made = load_dictionary(tmp_path / "after")
    assert (made.name, made.config.kind, made.config.reads) == ("after", "topk", ("resid_post.1",))
    provenance = json.loads((tmp_path / "after" / "provenance.json").read_text())
    assert provenance["inputs"]["finetuned"] == "before"
    assert provenance["inputs"]["inputs"] == {"dictionary": "abc"}
    metrics = json.loads((tmp_path / "after" / "metrics.json").read_text())
    assert metrics["step"] == N_STEPS
    assert metrics["tokens"] == N_STEPS * 96
    assert metrics["loss"] == pytest.approx(metrics["divergence"] + metrics["error"], rel=1e-5)
    assert metrics["l0"] == pytest.approx(6, abs=0.1)


def test_what_cannot_be_fine_tuned_is_refused(tmp_path: Path):
    several = small_dictionary("several", "resid_post.1", 64, 48)
    several.describe(dataclasses.replace(several.config, reads=("resid_post.0", "resid_post.1")))
    with pytest.raises(BadRequest, match="'several' cannot be fine-tuned. It is of 2 sites or models."):
        run(tmp_path / "x", several)
    several.describe(dataclasses.replace(several.config, reads=("resid_post.1",), models=("tiny-0", "tiny-1")))
    with pytest.raises(BadRequest, match="It is of 2 sites or models."):
        run(tmp_path / "x", several)
    with pytest.raises(BadRequest, match="It is the neurons themselves."):
        run(tmp_path / "x", neurons_of(text_model(), 1))
    with pytest.raises(ShapeMismatch, match="does not fit the model 'tiny-0'"):
        run(tmp_path / "x", small_dictionary("d", "resid_post.1", 24, 48))
    with pytest.raises(HookeError, match="No site 'resid_post.7'"):
        run(tmp_path / "x", dictionary_of("topk", "resid_post.7"))
    with pytest.raises(BadRequest, match="The corpus 'text' ended after 48"):
        run(tmp_path / "x", dictionary_of("topk"), corpus=text(4))
    assert list(tmp_path.glob("x")) == []


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path):
    broken = dictionary_of("topk")
    broken.b_dec[0] = torch.inf
    with pytest.raises(HookeError, match="The loss is not finite"):
        run(tmp_path / "x", broken)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_tokens": 0}, "'n_tokens' cannot be 0."),
        ({"decay": 2.0}, "'decay' cannot be 2.0."),
        ({"reconstruction": -1.0}, "'reconstruction' cannot be -1.0."),
        ({"objective": "reconstruction", "reconstruction": 0.0}, "'reconstruction' cannot be 0.0."),
    ],
)
def test_impossible_settings_are_refused(settings: dict, said: str):
    with pytest.raises(BadConfig, match=said):
        FinetuneConfig(**settings)
