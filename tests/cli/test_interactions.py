"""`hooke interactions`."""

from pathlib import Path

import pytest

from hooke.cli.app import main
from tests.cli.conftest import Done, Hooke
from tests.cli.tiny_lab import TinyLab
from tests.cli.tiny_pair import TEXT, make_tiny_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    return make_tiny_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture
def hooke(pair: TinyLab, capsys: pytest.CaptureFixture[str]) -> Hooke:
    def call(command: str) -> Done:
        code = main(pair.words(command))
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


def test_one_dictionary_beside_itself(hooke: Hooke, pair: TinyLab):
    done = hooke(f"interactions tiny {TEXT}")
    assert done.code == 0, done.err
    assert "share with a partner beyond chance" in done.out
    assert "control: the text shifted" in done.out
    kept = hooke(f"interactions tiny {TEXT} --json").data
    assert kept["name"] == "tiny"
    assert Path(kept["folder"]) == pair.lab.path("interactions", "tiny")
    assert kept["manifest"]["findings"][0]["control"] is not None


def test_two_dictionaries_and_one_feature_of_the_first(hooke: Hooke):
    done = hooke(f"interactions under --with tiny {TEXT}")
    assert done.code == 0, done.err
    assert "largest virtual weight of a feature" in done.out
    assert "Absorbers are looked for between dictionaries of one site." in done.out
    everything = hooke(f"interactions under --with tiny {TEXT} --json").data["manifest"]
    assert (everything["source"], everything["name"]) == (0, "under--tiny")
    found = [hooke(f"interactions under/{number} --with tiny {TEXT} --json").data for number in range(0, 48, 6)]
    fires = next(number for number, one in enumerate(found) if one["paths"])
    assert found[fires]["direction"] == "to"
    assert found[fires]["paths"][0]["count"] >= 5
    named = f"interactions resid_post.0/{6 * fires}@under --with tiny {TEXT}"
    assert hooke(f"{named} --json").data == found[fires]
    shown = hooke(named).out
    assert "writes to" in shown
    assert "rank by weight" in shown
    assert "nearest by correlation" in shown


def test_the_check_is_kept_with_the_run(hooke: Hooke):
    # The corpus goes on behind the 640 tokens of this run.
    text = TEXT.replace("1600", "640")
    done = hooke(f"interactions tiny --with under {text} --check 3 --json")
    assert done.code == 0, done.err
    claims = [one["claim"] for one in done.data["manifest"]["findings"]]
    assert "under to tiny: share of an ablation's change in the first 10 by TWERA" in claims
    again = hooke(f"interactions tiny --with under {text} --json").data["manifest"]["findings"]
    assert [one["claim"] for one in again] == claims


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("interactions bare", "No index 'bare'"),
        ("interactions tiny --with bare", "No index 'bare'"),
        ("interactions tiny --with tiny", "'tiny' was given twice"),
        ("interactions tiny/48", "No feature 48"),
        ("interactions resid_post.1/3@under", "No feature 'resid_post.1/3@under'"),
        ("interactions tiny --check 3", "Add --with OTHER"),
        ("interactions tiny --tokens 0", "Give numbers above 0"),
    ],
)
def test_what_makes_no_sense_is_said(hooke: Hooke, command: str, said: str):
    done = hooke(f"{command} --model MODEL --corpus CORPUS --context 32")
    assert done.code == 2, done
    assert said in " ".join(done.err.split())


def test_another_models_dictionary_is_refused(hooke: Hooke):
    done = hooke("interactions tiny --with starter --model MODEL --corpus CORPUS --context 32")
    assert done.code == 1
    assert "'smollm2-res' is of another model than tiny-model" in done.err
