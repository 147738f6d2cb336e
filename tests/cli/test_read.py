"""`hooke read`."""

from pathlib import Path

import pytest

from hooke.cli.app import main
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

TEXT = "The bridge over the river."


def test_a_text_as_features(tiny: TinyLab, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    page = tmp_path / "page.html"
    words = ["read", TEXT, "--n", "3", "--lab", str(tiny.lab.root), "--html", str(page), "--model", str(tiny.model)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "Token by token" in out
    assert "not counted" in out
    assert "'The'" in out
    assert "</html>" in page.read_text()


def test_as_json(hooke: Hooke):
    data = hooke("read bridge-of-iron --model MODEL --json").data
    reading = data["reading"]
    assert "".join(reading["tokens"]) == "bridge-of-iron"
    assert len(reading["tokens"]) == len(reading["firings"])
    assert reading["counted"][0] is False


def test_without_the_list_of_tokens(hooke: Hooke):
    assert "Token by token" not in hooke("read bridge --per-token 0 --model MODEL").out


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("read", 2, 'Command "read" parameter TEXT requires an argument.'),
        ("read bridge --n 0", 2, "0 features and 3 for each token cannot be shown."),
        ("read bridge --index other", 2, "No index 'other'"),
        (f"read {'bridge-' * 200} --model MODEL", 1, "A prompt has"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, code: int, said: str):
    done = hooke(command)
    assert done.code == code
    assert done.err.startswith(f"hooke: {said}")
