"""A fine-tuning under way, on disk and back."""

from pathlib import Path

import pytest
import torch

from hooke.errors import BadArtefact, BadRequest
from hooke.training.finetune_checkpoints import Progress, begin, load_progress, save_progress
from tests.training.small_text import dictionary_of, transcoder

CPU = torch.device("cpu")
TASK = {"finetuned": "before", "config": {"lr": 0.1}}


def moved() -> Progress:
    """After a step."""
    progress = begin(transcoder(), CPU)
    for weight in progress.trained().values():
        weight.grad = torch.ones_like(weight)
    progress.optimiser.step()
    progress.step, progress.tokens = 1, 96
    progress.has_fired[3] = True
    return progress


def test_a_run_comes_back_as_it_was(tmp_path: Path):
    before, path = moved(), tmp_path / "checkpoint.safetensors"
    save_progress(path, before, TASK)
    after = begin(transcoder(), CPU)
    load_progress(path, after, TASK)
    assert (after.step, after.tokens) == (1, 96)
    assert after.has_fired.nonzero().flatten().tolist() == [3]
    assert list(after.trained()) == ["W_enc", "b_enc", "W_dec", "b_dec", "W_skip"]
    for name, weight in after.trained().items():
        other = before.trained()[name]
        assert torch.equal(weight, other)
        for moment, value in after.optimiser.state[weight].items():
            assert torch.equal(value, before.optimiser.state[other][moment]), (name, moment)


def test_the_original_stays_and_sizes_are_its_own():
    original = dictionary_of("topk")
    kept = original.W_enc.clone()
    progress = begin(original, CPU)
    with torch.no_grad():
        progress.dictionary.W_enc.zero_()
    assert torch.equal(original.W_enc, kept)
    assert not original.W_enc.requires_grad
    assert progress.sizes["W_enc"] == pytest.approx(float(kept.square().mean().sqrt()))
    # A bias of zeros has no size of its own.
    assert progress.sizes["b_enc"] == progress.sizes["W_enc"]


def test_another_task_and_a_damaged_file_are_refused(tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    save_progress(path, moved(), TASK)
    with pytest.raises(BadRequest, match="config.lr was 0.1, is 0.2"):
        load_progress(path, begin(transcoder(), CPU), TASK | {"config": {"lr": 0.2}})
    with pytest.raises(BadArtefact, match="it should have"):
        load_progress(path, begin(dictionary_of("topk"), CPU), TASK)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadArtefact, match="could not be read as a checkpoint"):
        load_progress(path, begin(transcoder(), CPU), TASK)
