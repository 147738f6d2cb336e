"""`hooke dictionary quality` and `hooke dictionary match`."""

from tests.cli.conftest import Hooke

TEXT = "--model MODEL --corpus CORPUS --context 32 --windows 6"


def test_metrics_stand_beside_their_nulls(hooke: Hooke):
    found = hooke(f"dictionary quality tiny --metric completeness {TEXT} --json").data["quality"]
    assert [row["subject"] for row in found[0]["rows"]] == ["tiny", "random dictionary", "principal components"]
    assert found[0]["rows"][0]["above"] is None
    assert len(found[0]["rows"][1]["above"]["interval"]) == 2
    shown = hooke(f"dictionary quality tiny --metric completeness {TEXT}").out
    assert "above it" in shown
    assert "features alone" in shown


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
