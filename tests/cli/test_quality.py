"""`hooke dictionary quality` and `hooke dictionary match`."""

import shutil
from io import StringIO
from pathlib import Path

from rich.console import Console

from hooke.cli.app import main
from hooke.cli.quality import quality_shown
from hooke.evaluate.quality import Quality, Row
from hooke.findings import Estimate
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

TEXT = "--model MODEL --corpus CORPUS --context 32 --windows 6"


def test_metrics_stand_beside_their_nulls(hooke: Hooke):
    found = hooke(f"dictionary quality tiny --metric completeness {TEXT} --json").data["quality"]
    assert [row["subject"] for row in found[0]["rows"]] == ["tiny", "random dictionary", "principal components"]
    assert found[0]["rows"][0]["above"] is None
    assert len(found[0]["rows"][1]["above"]["interval"]) == 2
    shown = hooke(f"dictionary quality tiny --metric completeness {TEXT}").out
    assert "above it" in shown
    assert "features alone" in shown


def test_completeness_is_kept_and_shown_with_the_dictionary(hooke: Hooke, tiny: TinyLab):
    kept = tiny.lab.path("dictionaries", "tiny") / "completeness.json"
    kept.unlink(missing_ok=True)
    said = "not measured: hooke dictionary quality tiny --metric completeness"
    evaluate = "dictionary eval tiny --model MODEL --corpus CORPUS --context 32 --tokens 640 --loss-windows 0"
    steer = "steer resid_post.1/3 --index tiny --model MODEL --max-tokens 2 --strengths 1"
    listed = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    assert listed["tiny"]["completeness"] is None
    assert said in " ".join(hooke(evaluate).out.split())
    assert said in " ".join(hooke(steer).out.split())
    found = hooke(f"dictionary quality tiny --metric completeness {TEXT} --json").data["quality"]
    listed = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    assert listed["tiny"]["completeness"]["features"] == found[0]["rows"][0]["value"]
    for command in (evaluate, steer):
        out = " ".join(hooke(command).out.split())
        assert "features alone carry" in out
        assert said not in out
    kept.unlink()


def test_a_null_of_weights_drawn_anew_is_trained_in_one_command(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    command = f"dictionary quality tiny --metric completeness --untrained 320 {TEXT} --json"
    words = [*tiny.words(command)[:-1], str(tmp_path / "lab")]
    shutil.copytree(tiny.lab.root, tmp_path / "lab")
    del hooke
    assert main(words) == 0
    assert (tmp_path / "lab" / "dictionaries" / "tiny-anew-320-0" / "config.json").is_file()


def test_a_null_that_cannot_be_measured_has_a_dash_and_a_word():
    nan = float("nan")
    measured, none = Estimate(value=0.5, interval=(0.4, 0.6)), Estimate(value=nan, interval=(nan, nan))
    rows = (Row(subject="own", value=measured, above=None), Row(subject="anew", value=none, above=none))
    claim = Quality(claim="absorbed words", rows=rows, n=9, unit="letters", method="probes", seed=0)
    console = Console(width=120, file=StringIO(), record=True)
    console.print(*quality_shown(claim))
    shown = console.export_text()
    assert "nan" not in shown
    assert "–: no unit of it can be measured" in shown


def test_a_dictionary_matches_itself(hooke: Hooke):
    data = hooke("dictionary match tiny tiny --json").data
    assert data["findings"][0]["value"] == 1
    assert data["findings"][0]["control"] < 0.1
    assert "random directions" in hooke("dictionary match tiny tiny").out


def test_wrong_words(hooke: Hooke):
    for command, said in (
        (f"dictionary quality tiny --metric beauty {TEXT}", 'Invalid value "beauty"'),
        (f"dictionary quality tiny --metric sparse-probing --concept love {TEXT}", "No concept set 'love'."),
        (f"dictionary quality tiny --metric absorption {TEXT}", "has too few words of one token"),
        ("dictionary match tiny tinny", "No dictionary 'tinny'"),
    ):
        done = hooke(command)
        assert done.code == 2, done
        assert said in " ".join(done.err.split())
