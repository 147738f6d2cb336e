"""Models from files: what opens, and what is refused with one clear line and nothing half-written."""

import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from hooke.errors import BadArtefact, BadConfig, HookeError, ShapeMismatch, UnknownName
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.zoo import ZOO
from tests.models.tiny import tiny_hf

WORDS = ["[PAD]", "[BOS]", "[EOS]", "the", "cat", "sat", "on", "mat"]


def write_tokenizer(folder: Path, words: list[str]) -> None:
    backend = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, unk_token="[PAD]"))
    backend.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", bos_token="[BOS]", eos_token="[EOS]"
    ).save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "tiny"
    tiny_hf("llama").save_pretrained(target)
    write_tokenizer(target, WORDS)
    return target


def test_a_folder_opens_with_its_tokenizer(folder: Path, tmp_path: Path) -> None:
    model = load(folder, lab=Lab(tmp_path / "lab"))
    assert (model.name, model.n_layers, model.d_vocab) == ("tiny", 3, 128)
    assert model.tokenize(["the cat", "the cat sat"]).lengths.tolist() == [2, 3]
    same = load(folder, lab=Lab(tmp_path / "lab"))
    assert model.fingerprint == same.fingerprint != ""
    assert torch.equal(model.run("the cat").logits, same.run("the cat").logits)
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * 1.001 for name, tensor in tensors.items()}, folder / "model.safetensors")
    assert load(folder, lab=Lab(tmp_path / "lab")).fingerprint != model.fingerprint, "a fine-tune is another model"


@pytest.mark.parametrize("ref", ["smollm2-135", "no-such-model", "no/such/model", "nowhere/model.gguf"])
def test_unknown_names(ref: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        load(ref, lab=Lab(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_near_names_are_suggested(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'smollm2-135m'"):
        load("smolm2-135m", lab=Lab(tmp_path))


def test_offline_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnknownName, match="offline"):
        load("owner/no-such-model", lab=Lab(tmp_path))


def test_unknown_device_and_dtype(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="No device"):
        load(folder, device="warp", lab=Lab(tmp_path))
    with pytest.raises(BadConfig, match="Did you mean 'float32'"):
        load(folder, dtype="flot32", lab=Lab(tmp_path))


def spoil_shape(path: Path) -> None:
    tensors = load_file(path)
    tensors["model.layers.1.mlp.up_proj.weight"] = torch.zeros(7, 32)
    save_file(tensors, path, metadata={"format": "pt"})


def spoil_missing(path: Path) -> None:
    tensors = load_file(path)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def spoil_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil_header_size(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])


def spoil_offsets(path: Path) -> None:
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    name = next(name for name in header if name != "__metadata__")
    header[name]["data_offsets"] = [0, 1 << 50]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


def spoil_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": [1, 2, 3]}, protocol=4))


@pytest.mark.parametrize(
    "spoil", [spoil_shape, spoil_missing, spoil_half, spoil_header_size, spoil_offsets, spoil_pickle]
)
def test_spoilt_weights_are_refused(spoil, folder: Path, tmp_path: Path) -> None:
    spoil(folder / "model.safetensors")
    with pytest.raises(HookeError, match="safetensors|weights|could not be opened"):
        load(folder, lab=Lab(tmp_path))


class Bomb:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("bomb-went-off",)


def test_a_pickle_in_place_of_weights_is_not_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadArtefact, match="pickles can run code"):
        load(folder, lab=Lab(tmp_path))
    assert not Path("bomb-went-off").exists()


def test_a_tokenizer_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    write_tokenizer(folder, WORDS + [f"w{at}" for at in range(200)])
    with pytest.raises(ShapeMismatch, match="does not belong to the model"):
        load(folder, lab=Lab(tmp_path))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadArtefact, match="config.json"):
        load(tmp_path, lab=Lab(tmp_path))


@pytest.mark.slow
def test_the_zoo_model_opens_checks_and_answers(tmp_path_factory: pytest.TempPathFactory, real_lab: Lab) -> None:
    """The real model: its capital question, its contracts, its place in the lab."""
    model = load("smollm2-135m", lab=real_lab)
    assert ZOO["smollm2-135m"].licence == "Apache-2.0"
    assert (model.n_layers, model.d_model, model.d_vocab) == (30, 576, 49152)
    assert model.refusals == {}
    assert str(model.generate("The capital of France is", max_tokens=3)).startswith(" Paris")
    assert "Paris" in str(model.generate("What is the capital of France?", chat=True, max_tokens=12))
    report = model.check(["The cat sat on the mat.", "Two."])
    assert report.holds, [contract for contract in report.contracts if not contract.holds]


def test_a_model_in_the_lab_opens_by_its_name(folder: Path, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "lab")
    kept = lab.path("models", "kept")
    kept.parent.mkdir(parents=True)
    folder.rename(kept)
    model = load("kept", lab=lab)
    assert (model.name, model.n_layers, model.lab) == ("kept", 3, lab)
    with pytest.raises(UnknownName, match="Did you mean 'kept'"):
        load("kep", lab=lab)
