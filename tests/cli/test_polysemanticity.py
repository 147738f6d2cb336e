"""`hooke dictionary polysemanticity`."""

from pathlib import Path

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import SENTENCES, TinyLab

WORDS = "dictionary polysemanticity tiny neurons.1 --model MODEL --tokens 1600 --context 32 --units 8 --examples 8"


def documents(folder: Path) -> Path:
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text(" ".join(SENTENCES[(number + step) % 4] for step in range(3)))
    return folder


def test_features_and_neurons_beside_random_directions(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    folder = documents(tmp_path / "texts")
    done = hooke(f"{WORDS} --corpus {folder} --json")
    assert done.code == 0, done.err
    claims = [one["claim"] for one in done.data["findings"]]
    assert len(claims) == 4
    assert claims[0].startswith("tiny: ")
    assert claims[2].startswith("neurons.1-")
    assert all(one["control"] is not None for one in done.data["findings"])
    shown = hooke(f"{WORDS} --corpus {folder}")
    assert "text before" in shown.out
    assert "random directions" in shown.out


def test_wrong_words(hooke: Hooke):
    for command, said in (
        ("dictionary polysemanticity", "No dictionary was named."),
        (WORDS.replace("--units 8", "--units 2"), "2 units by 8 firings in 1600 tokens"),
        (f"{WORDS} --corpus CORPUS", "Contexts cannot be told apart on 1 documents."),
    ):
        done = hooke(command)
        assert done.code == 2, done
        assert said in done.err
