"""`hooke dictionary pull` and the catalogue, without a network."""

from pathlib import Path

import pytest

from hooke.dictionaries import load_dictionary, save_dictionary
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

FILLED = "model=2b-pt site=res layer=20 width=16k l0=71"


def test_the_catalogue_is_listed_by_words(hooke: Hooke):
    found = hooke("dictionary list --catalogue crosscoder --json").data["catalogue"]
    assert [one["id"] for one in found] == ["gemma-scope-2-crosscoders"]
    shown = hooke("dictionary list --catalogue crosscoder").out
    assert "hf:google/gemma-scope-2-{model}/crosscoder/layer_{layers}_width_{width}_l0_{l0}" in "".join(shown.split())
    assert "see its page" in shown
    assert hooke("dictionary list --catalogue nothing-such").out.startswith("No suite has all of these words")


def test_what_is_wrong_is_told_before_anything_is_fetched(hooke: Hooke):
    for command, said in (
        ("dictionary pull gemma-scope-9 mine", "No suite 'gemma-scope-9' in the catalogue. Did you mean"),
        (
            "dictionary pull gemma-scope-1 mine layer=20",
            "'gemma-scope-1' is hf:google/gemma-scope-{model}-{site}/layer_",
        ),
        ("dictionary pull gemma-scope-1 mine layer", "'layer' fills in nothing."),
        ("dictionary pull hf:owner mine", "'hf:owner' is no reference to the hub."),
        ("dictionary pull hf:owner/repo mine layer=3", "'hf:owner/repo' leaves nothing open."),
        (f"dictionary pull gemma-scope-1 tiny {FILLED}", "There is a dictionary 'tiny' already."),
        (
            f"dictionary pull gemma-scope-1 mine {FILLED}",
            "'hf:google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71' was not fetched. This machine is set",
        ),
    ):
        done = hooke(command)
        assert done.code == 2
        assert done.err.startswith(f"hooke: {said}"), done.err


def test_what_was_fetched_is_taken_into_the_lab(
    hooke: Hooke, tiny: TinyLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    save_dictionary(load_dictionary("tiny", lab=tiny.lab), tmp_path / "from-hub")
    asked = []
    monkeypatch.setattr("hooke.dictionaries.load.fetched", lambda ref, lab: asked.append(ref) or tmp_path / "from-hub")
    data = hooke("dictionary pull hf:owner/repo/folder@main pulled --json").data
    assert (asked, data["name"]) == (["hf:owner/repo/folder@main"], "pulled")
    assert load_dictionary("pulled", lab=tiny.lab).name == "pulled"
