"""What features and error carry, kept where a dictionary is and read wherever it is used."""

from pathlib import Path

import pytest

from hooke.dictionaries.carried import Carried, carried_words, keep_carried, read_carried
from hooke.dictionaries.formats.native_sets import save_replacement
from hooke.findings import Estimate
from hooke.lab import Lab
from tests.cli.tiny_lab import write_dictionary
from tests.dictionaries.transcoders import transcoder_set


def carried(features: float = 0.9) -> Carried:
    return Carried(
        features=Estimate(value=features, interval=(0.8, 0.95)),
        error=Estimate(value=0.2, interval=(0.1, 0.3)),
        features_divergence=Estimate(value=0.4, interval=(0.3, 0.5)),
        n_windows=24,
        corpus="some text",
    )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "lab")


def test_what_was_measured_is_kept_with_a_dictionary_of_the_lab(lab: Lab):
    folder = write_dictionary(lab, "mine", "m")
    assert read_carried(folder, lab) is None
    assert carried_words("mine", lab) == "not measured: hooke dictionary quality mine --metric completeness"
    assert keep_carried(carried(), folder, lab).parent == folder
    assert read_carried(folder, lab) == carried()
    assert "carry 0.900 [0.800, 0.950] of the loss, their error alone 0.200 [0.100, 0.300]" in carried_words(
        "mine", lab
    )


def test_what_is_not_of_the_lab_is_not_written_to(lab: Lab, tmp_path: Path):
    folder = write_dictionary(Lab(tmp_path / "other"), "theirs", "m")
    before = sorted(path.name for path in folder.iterdir())
    kept = keep_carried(carried(), folder, lab)
    assert kept.is_relative_to(lab.root / "cache")
    assert sorted(path.name for path in folder.iterdir()) == before
    assert read_carried(folder, lab) == carried()
    assert read_carried(folder, Lab(tmp_path / "third")) is None
    # Other weights at the same place were not measured.
    (folder / "weights.safetensors").write_bytes(b"others")
    assert read_carried(folder, lab) is None


def test_what_comes_with_a_folder_is_read_and_what_is_damaged_is_not_measured(lab: Lab, tmp_path: Path):
    folder = write_dictionary(Lab(tmp_path / "other"), "theirs", "m")
    keep_carried(carried(), folder, Lab(tmp_path / "other"))
    assert read_carried(folder, lab) == carried()
    (folder / "completeness.json").write_text('{"features": 1}')
    assert read_carried(folder, lab) is None


def test_of_a_set_the_layers_that_were_measured_are_told(lab: Lab):
    folder = lab.path("dictionaries", "many")
    save_replacement(transcoder_set(), folder, name="many")
    assert "hooke dictionary quality many.LAYER" in carried_words("many", lab)
    keep_carried(carried(0.7), folder / "layer-0", lab)
    assert "of 1 of " in carried_words("many", lab)
    assert "alone carry 0.700 to 0.700" in carried_words("many", lab)


def test_a_name_that_is_not_here_is_not_measured(lab: Lab):
    assert carried_words("nobody", lab).startswith("not measured")
