"""Probes named by words: a feature's own reading, a direction in a file; what is neither is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hooke.circuits.probes import feature_probe, file_probe, targets_of
from hooke.circuits.targets import Probe
from hooke.circuits.trace import trace
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.lab import Lab
from hooke.sites import Site
from tests.cli.tiny_lab import write_dictionary
from tests.models.tiny import tiny_model

PROMPT = torch.arange(7)[None] * 5 + 3


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "lab")
    write_dictionary(made, "tiny", "tiny-model")
    return made


def test_a_features_probe_is_traced_to_its_pre_activation(lab: Lab):
    model, dictionary = tiny_model(), load_dictionary("tiny", lab=lab)
    (probe,) = targets_of(["resid_post.1/5@tiny:-3"], lab, with_files=False)
    graph = trace(model, "neurons", PROMPT, targets=[probe])
    stream = model.run(PROMPT, capture=["resid_post.1"])[Site("resid_post", 1)][0, 4]
    (target,) = graph.targets
    assert graph.nodes[target].name == "resid_post.1/5@tiny:4"
    assert graph.nodes[target].value == pytest.approx(float(dictionary.pre_activations(stream)[5]), rel=1e-4)
    assert graph.measures["conservation_error"] <= 1e-4


def test_without_a_position_the_last_token_is_meant(lab: Lab):
    assert feature_probe("resid_post.1/5@tiny", -1, lab).position == -1
    (probe,) = targets_of(["resid_post.1/5@tiny"], lab, with_files=False)
    assert isinstance(probe, Probe)
    assert probe.position == -1


@pytest.mark.parametrize("suffix", ["npy", "safetensors"])
def test_a_direction_of_a_file(lab: Lab, tmp_path: Path, suffix: str):
    file, vector = tmp_path / f"north.{suffix}", torch.linspace(-1, 1, 32)
    if suffix == "npy":
        np.save(file, vector.numpy())
    else:
        save_file({"direction": vector, "bias": torch.tensor([0.5])}, file)
    (probe,) = targets_of([f"{file}@resid_mid.1:2"], lab, with_files=True)
    assert isinstance(probe, Probe)
    assert (probe.name, probe.site, probe.position) == ("north", "resid_mid.1", 2)
    assert probe.bias == (0.0 if suffix == "npy" else 0.5)
    torch.testing.assert_close(probe.vector, vector)
    # A page may not name the server's files.
    assert targets_of([f"{file}@resid_mid.1:2"], lab, with_files=False) == [f"{file}@resid_mid.1:2"]


def test_other_words_stay_words(lab: Lab):
    words = ["Paris", "Paris - London", "1/402@8", "a@b", "x.npy"]
    assert targets_of(words, lab, with_files=True) == words


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("resid_post.1/5@nowhere", UnknownName, "nowhere"),
        ("resid_post.1/48@tiny", UnknownName, "48"),
        ("resid_post.0/5@tiny", BadRequest, "reads resid_post.1"),
    ],
)
def test_features_that_cannot_be_read_are_refused(lab: Lab, address: str, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        feature_probe(address, -1, lab)


def test_files_that_hold_no_direction_are_refused(tmp_path: Path):
    np.save(tmp_path / "matrix.npy", np.ones((2, 32), np.float32))
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full(32, np.nan, np.float32))
    (tmp_path / "short.safetensors").write_bytes(b"\x10\0\0")
    save_file({"a": torch.ones(32), "b": torch.ones(32)}, tmp_path / "two.safetensors")
    for name in ("matrix.npy", "pickle.npy", "nan.npy", "short.safetensors", "two.safetensors", "missing.npy"):
        with pytest.raises(BadArtefact):
            file_probe(tmp_path / name, "resid_post.1")
