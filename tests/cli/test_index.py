"""`hooke index`."""

import shutil

import pytest

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import N_FEATURES, TinyLab

ASKED = "index tiny --name second --tokens 600 --corpus CORPUS --context 32 --posting examples"


def test_an_index_is_made_and_described(hooke: Hooke, tiny: TinyLab):
    try:
        data = hooke(ASKED + " --json").data
        assert (data["name"], data["dictionary"], data["n_features"]) == ("second", "tiny", N_FEATURES)
        assert 0 < data["n_alive"] <= N_FEATURES
        assert data["n_counted"] < 608
        assert "hooke search --index second WORDS" in hooke(ASKED).out
    finally:
        _forget(tiny, "second")


def _forget(tiny: TinyLab, name: str) -> None:
    shutil.rmtree(tiny.lab.path("features", name), ignore_errors=True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("index tyny --corpus CORPUS", "No dictionary 'tyny'"),
        (ASKED.replace("examples", "some"), "No posting 'some'."),
        (ASKED.replace("second", "a/b"), "'a/b' is not a name for features."),
        (ASKED.replace("CORPUS", "nowhere.txt"), "No corpus 'nowhere.txt'."),
        (ASKED.replace("second", "tiny"), "The name 'tiny' belongs to another index."),
        (ASKED + " --model no-such", "No model 'no-such'."),
    ],
)
def test_wrong_words(hooke: Hooke, tiny: TinyLab, command: str, said: str):
    done = hooke(command)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"hooke: {said}")
    assert tiny.lab.names("features") == ["tiny"]


def test_the_neurons_of_a_model_are_a_dictionary(hooke: Hooke, tiny: TinyLab):
    name = "neurons.1-tiny-model"
    try:
        made = hooke("index neurons.1 --model MODEL --tokens 600 --corpus CORPUS --context 32 --json").data
        assert made["name"] == made["dictionary"] == name
        hits = hooke("search bridge --index neurons.1 --json").data["features"]
        assert hits[0]["name"].startswith("neurons.1/")
        card = hooke(f"feature {hits[0]['name']} --model MODEL --json").data
        assert card["promoted"]
        assert card["neighbours"]
        assert hooke("read bridge-over --index neurons.1 --model MODEL --json").data["reading"]["features"]
        assert hooke("index neurons.1 --corpus CORPUS").code == 2, "of which model?"
        assert hooke("index neurons.7 --model MODEL --corpus CORPUS").code == 2
    finally:
        _forget(tiny, name)
        shutil.rmtree(tiny.lab.path("dictionaries", name), ignore_errors=True)
