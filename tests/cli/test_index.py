"""`hooke index`."""

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
    import shutil

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
