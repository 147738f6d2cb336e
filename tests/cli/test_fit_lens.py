"""`hooke fit-lens`."""

import pytest

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

TUNED = "--kind tuned --corpus CORPUS --heldout CORPUS --tokens 512 --steps 3 --context 32 --measure 4"
JACOBIAN = "--kind jacobian --corpus CORPUS --heldout CORPUS --windows 2 --context 16 --measure 4"


def test_a_tuned_lens_is_fitted_shown_and_read_with(hooke: Hooke):
    data = hooke(f"fit-lens MODEL {TUNED} --json").data
    assert data["lens"]["settings"]["steps"] == 3
    rows = data["lens"]["scores"]["lenses"]
    assert set(rows) == {"tuned lens", "least squares", "bias only", "mean stream", "logit lens"}
    assert rows["tuned lens"][0]["kl"]["value"] < rows["logit lens"][0]["kl"]["value"]
    logit = hooke("lens bridge-of-iron --model MODEL --json").data
    tuned = hooke("lens bridge-of-iron --model MODEL --kind tuned --json").data
    assert tuned["kind"] == "tuned"
    assert tuned["layers"][-1] == logit["layers"][-1]
    assert tuned["layers"][0] != logit["layers"][0]
    assert "affine map" in tuned["note"]


def test_a_jacobian_lens_under_a_name_of_its_own(hooke: Hooke):
    out = hooke(f"fit-lens MODEL {JACOBIAN} --name mine").out
    assert "Jacobian lens" in out
    assert "mine" in out
    assert hooke("lens bridge --model MODEL --kind jacobian").code == 2
    done = hooke("lens bridge --model MODEL --kind jacobian --fitted mine")
    assert done.code == 0
    assert "Jacobian lens" in done.out


def test_nothing_measured_is_said(hooke: Hooke):
    assert "Not measured" in hooke(f"fit-lens MODEL {TUNED.replace('--measure 4', '--measure 0')} --name plain").out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fit-lens MODEL --kind tuner", "Kinds: logit, tuned, jacobian"),
        ("fit-lens MODEL --kind logit --corpus CORPUS --heldout CORPUS", "is not fitted"),
        (f"fit-lens MODEL {TUNED} --name ../out", "is not a name"),
        ("fit-lens MODEL --kind tuned --corpus CORPUS --heldout CORPUS --tokens 9", "cannot be fitted"),
        ("fit-lens MODEL --kind jacobian --corpus CORPUS --heldout CORPUS --windows 1", "cannot be had"),
        ("fit-lens MODEL --kind tuned --corpus CORPUS --heldout CORPUS --measure 1", "cannot be measured"),
        ("lens bridge --model MODEL --kind tuner", "Kinds: logit, tuned, jacobian"),
        ("lens bridge --model MODEL --kind tuned --fitted nowhere", "hooke fit-lens"),
        ("lens bridge --model MODEL --fitted mine", "Say its --kind"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_fit_that_is_stopped_leaves_nothing(hooke: Hooke, tiny: TinyLab, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr("hooke.prompts.fit_lens.lens_scores", stop)
        assert hooke(f"fit-lens MODEL {TUNED} --name stopped").code == 130
    assert "stopped" not in tiny.lab.names("lenses")
    assert hooke(f"fit-lens MODEL {TUNED} --name stopped").code == 0
    assert "stopped" in tiny.lab.names("lenses")
