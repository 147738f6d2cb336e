"""Fitted lenses in a lab: kept, opened, and refused where they do not fit or are damaged."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hooke.errors import BadArtefact, BadRequest, ShapeMismatch, UnknownName
from hooke.lab import Lab, read_json, write_json
from hooke.models.model import Model
from hooke.prompts.fitted_lens import (
    FittedLens,
    lens_kinds,
    open_lens,
    open_lenses,
    require_kind,
    save_lens,
    translated,
)
from tests.models.tiny import tiny_hf, tiny_model
from tests.prompts.random_lens import random_lens


@pytest.fixture
def model() -> Model:
    """Three layers of width 32."""
    return Model(tiny_hf("llama"), None, name="some/model", fingerprint="weights")


@pytest.fixture
def lens(model: Model) -> FittedLens:
    """Random maps."""
    return random_lens(model)


@pytest.fixture
def folder(own_lab: Path, lens: FittedLens) -> Path:
    """Where it is kept."""
    return save_lens(Lab(own_lab), lens, seed=7)


def test_what_is_kept_comes_back(own_lab: Path, model: Model, lens: FittedLens, folder: Path):
    found = open_lens(Lab(own_lab), model, "tuned")
    assert found.manifest == lens.manifest
    assert torch.equal(found.maps.weights, lens.maps.weights)
    stream = torch.randn(4, 32, generator=torch.Generator().manual_seed(1))
    (one,) = translated(found, [stream], [2])
    torch.testing.assert_close(one, stream @ lens.maps.weights[2] + lens.maps.biases[2])
    assert torch.equal(translated(None, [stream], [2])[0], stream)
    assert read_json(folder / "provenance.json")["seed"] == 7
    assert lens_kinds(Lab(own_lab), "some/model") == ("logit", "tuned")
    assert lens_kinds(Lab(own_lab), "other") == ("logit",)


def test_a_missing_one_names_the_command(own_lab: Path, model: Model):
    with pytest.raises(UnknownName, match="hooke fit-lens some/model --kind jacobian"):
        open_lens(Lab(own_lab), model, "jacobian")
    with pytest.raises(BadRequest, match="Kinds: logit, tuned, jacobian"):
        require_kind("tuner")


@pytest.mark.usefixtures("folder")
def test_lenses_of_other_models_are_refused(own_lab: Path, model: Model):
    name = "some-model-tuned"
    narrow = tiny_model("llama", hidden_size=16)
    with pytest.raises(ShapeMismatch, match="3 layers of width 32, the model 3 of width 16"):
        open_lens(Lab(own_lab), narrow, "tuned", name)
    with pytest.raises(ShapeMismatch, match="3 layers of width 32, the model 2 of width 32"):
        open_lens(Lab(own_lab), tiny_model("llama", num_hidden_layers=2), "tuned", name)
    model.fingerprint = "other weights"
    with pytest.raises(ShapeMismatch, match="with other weights"):
        open_lens(Lab(own_lab), model, "tuned")
    with pytest.raises(BadRequest, match="It is a tuned lens"):
        open_lens(Lab(own_lab), model, "jacobian", name)


@pytest.mark.parametrize("n_bytes", [4, 300, -4])
def test_truncated_weights_are_refused(own_lab: Path, model: Model, folder: Path, n_bytes: int):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(BadArtefact, match="safetensors"):
        open_lens(Lab(own_lab), model, "tuned")


@pytest.mark.parametrize("wrong", ["shape", "dtype", "name", "nan"])
def test_wrong_weights_are_refused(own_lab: Path, model: Model, folder: Path, wrong: str):
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    if wrong == "shape":
        tensors["weights"] = tensors["weights"][:, :, :31].contiguous()
    elif wrong == "dtype":
        tensors["biases"] = tensors["biases"].half()
    elif wrong == "name":
        del tensors["biases"]
    else:
        tensors["weights"][1, 2, 3] = torch.nan
    save_file(tensors, path)
    with pytest.raises(BadArtefact, match="no finite numbers" if wrong == "nan" else "it has no '"):
        open_lens(Lab(own_lab), model, "tuned")


def test_damaged_manifests_are_refused(own_lab: Path, model: Model, folder: Path):
    path = folder / "manifest.json"
    data = read_json(path)
    write_json(path, {**data, "layers": 3})
    with pytest.raises(BadArtefact, match="no sound part of a lens"):
        open_lens(Lab(own_lab), model, "tuned")
    path.write_text(path.read_text()[:40])
    with pytest.raises(BadArtefact):
        open_lens(Lab(own_lab), model, "tuned")


def test_a_newer_one_takes_the_place(own_lab: Path, model: Model, lens: FittedLens, folder: Path):
    newer = FittedLens(replace(lens.manifest, method="drawn again"), lens.maps)
    assert save_lens(Lab(own_lab), newer) == folder
    assert open_lens(Lab(own_lab), model, "tuned").manifest.method == "drawn again"


def test_of_several_those_that_can_be_read_are(own_lab: Path, model: Model, folder: Path):
    save_lens(Lab(own_lab), random_lens(model, "jacobian"))
    found, refused = open_lenses(Lab(own_lab), model)
    assert [one.manifest.kind for one in found] == ["tuned", "jacobian"]
    assert refused == []
    (folder / "weights.safetensors").write_bytes(b"short")
    found, refused = open_lenses(Lab(own_lab), model)
    assert [one.manifest.kind for one in found] == ["jacobian"]
    assert "No tuned lens: " in refused[0]
