"""`hooke search`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Hooke


def test_by_words(hooke: Hooke):
    data = hooke("search bridge --n 3 --json").data
    assert data["index"] == "tiny"
    for hit in data["features"]:
        words = hit["label"]["text"] + hit["label"]["words"]
        assert "bridge" in words.lower()
    assert "balanced accuracy" in hooke("search bridge").out


def test_words_that_nothing_has(hooke: Hooke):
    done = hooke("search zzzqqq")
    assert done.code == 0
    assert "None has these words." in done.out
    assert hooke("search zzzqqq --json").data["features"] == []


def test_by_a_text_that_fires_them(hooke: Hooke, tmp_path: Path):
    data = hooke("search --text bridge-over-the-river --n 4 --model MODEL --json").data
    assert 0 < len(data["features"]) <= 4
    done = hooke(f"search --text bridge-over-the-river --model MODEL --html {tmp_path / 'page.html'}")
    assert "[" in done.out, "the heat map without colour"
    page = (tmp_path / "page.html").read_text()
    assert data["features"][0]["name"] in page
    assert 'class="h4' in page, "the heat map"


def test_by_a_token_that_they_promote(hooke: Hooke):
    data = hooke("search --promotes b --n 5 --json").data
    values = [hit["value"] for hit in data["features"]]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    assert "effect" in hooke("search --promotes b").out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("search", "A search has one question."),
        ("search bridge --promotes the", "A search has one question."),
        ("search bridge --n 0", "0 features cannot be shown."),
        ("search bridge --index other", "No index 'other'"),
        ("search --promotes zzzqqqzz", "'zzzqqqzz' is not one token of this model."),
        ("search --text bridge", "No model 'tiny-model'."),
        ("search ...", "'...' holds no word to search for."),
        ("search bridge --html /proc/page.html", "'/proc/page.html' could not be written."),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code == 2
    assert done.err.startswith(f"hooke: {said}")
    assert done.out == ""


@pytest.mark.parametrize("mode", ["meaning", "token", "suppressed", "examples"])
def test_other_ways_to_search(hooke: Hooke, mode: str):
    card = hooke("feature 0 --model MODEL --json").data
    moved = {"token": card["promoted"], "suppressed": card["suppressed"]}
    tokens = [effect["text"] for effect in moved.get(mode, []) if effect["text"].isalpha()]
    asked = {"meaning": "bridges", "examples": "river"}.get(mode) or tokens[0]
    command = f"search {asked} --mode {mode} --n 3 --model MODEL"
    data = hooke(f"{command} --json").data
    assert data["mode"] == mode
    assert 0 < len(data["features"]) <= 3
    shown = hooke(command).out
    assert data["features"][0]["name"] in shown
    assert {"meaning": "cosine", "examples": "examples"}.get(mode, "effect") in shown
    assert data["note"].split()[0] in shown


def test_a_mode_without_words(hooke: Hooke):
    done = hooke("search --promotes b --mode meaning")
    assert done.code == 2
    assert "There is nothing to search for." in done.err
