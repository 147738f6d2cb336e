"""`hooke feature`."""

import shutil
from pathlib import Path

import pytest

from hooke.cli.app import main
from hooke.dictionaries import load_dictionary
from hooke.features.index import build_index
from hooke.lab import Lab
from hooke.models.load import load
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


@pytest.fixture
def strongest(hooke: Hooke) -> int:
    """A feature that fires on this text."""
    return hooke("search --text bridge --n 1 --model MODEL --json").data["features"][0]["feature"]


def test_the_card_from_each_way_to_name_it(hooke: Hooke, strongest: int):
    names = (f"{strongest}", f"resid_post.1/{strongest}", f"resid_post.1/{strongest}@tiny")
    cards = [hooke(f"feature {name} --json").data for name in names]
    assert cards[0] == cards[1] == cards[2]
    assert cards[0]["name"] == names[2]


def test_the_card_shows_what_is_known(hooke: Hooke, strongest: int, tmp_path: Path):
    done = hooke(f"feature {strongest} --examples 2 --html {tmp_path / 'card.html'}")
    assert done.code == 0
    for part in ("balanced accuracy", "density", "promotes", "suppresses", "examples", "strongest"):
        assert part in done.out
    assert "[[" in done.out
    page = (tmp_path / "card.html").read_text()
    assert f"resid_post.1/{strongest}@tiny" in page
    assert 'class="h4' in page, "the heat maps of the examples"


def test_each_feature_has_a_card_dead_ones_too(hooke: Hooke):
    for number in range(0, 48, 7):
        assert hooke(f"feature {number}").code == 0


def test_an_index_without_its_text_still_shows_activations(
    tiny: TinyLab, strongest: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lab = Lab(tmp_path / "other")
    shutil.copytree(tiny.lab.path("dictionaries", "tiny"), lab.path("dictionaries", "tiny"))
    moved = tmp_path / "moved.txt"
    shutil.copyfile(tiny.corpus, moved)
    build_index(
        load(tiny.model, lab=lab),
        load_dictionary("tiny", lab=lab),
        open_corpus(str(moved)),
        name="tiny",
        n_tokens=600,
        windows=WindowConfig(context=32),
        lab=lab,
        tokens="reference",
    )
    for folder in (lab.root / "features").iterdir():
        if folder.name != "tiny":
            shutil.rmtree(folder, ignore_errors=True)
    words = ["feature", str(strongest), "--lab", str(lab.root), "--model", str(tiny.model)]
    assert main(words) == 0
    assert "·" not in capsys.readouterr().out, "the text is made again from the corpus"
    shutil.rmtree(next(folder for folder in (lab.root / "features").iterdir() if folder.name != "tiny"))
    moved.unlink()
    assert main(words) == 0
    assert "·" in capsys.readouterr().out, "without the corpus there are activations only"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nonsense", "No feature 'nonsense'. It is not of the form site/index."),
        ("99", "No feature 99 in the index 'tiny'. It has the features 0–47."),
        ("resid_post.1/99@tiny", "No feature 99 in the index 'tiny'."),
        (
            "resid_post.0/3",
            "No feature 'resid_post.0/3' in the index 'tiny'. It is of the features resid_post.1/…@tiny.",
        ),
        ("resid_pots.1/3", "No site 'resid_pots.1'. Did you mean 'resid_post.1'?"),
        ("resid_post.1/3@other", "No index 'other'"),
        ("resid_post.1/3@other --index tiny", "No feature 'resid_post.1/3@other' in the index 'tiny'."),
    ],
)
def test_wrong_words(hooke: Hooke, name: str, said: str):
    done = hooke(f"feature {name}")
    assert done.code == 2
    assert done.err.startswith(f"hooke: {said}")
    assert done.err.count("\n") == 1
