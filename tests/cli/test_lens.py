"""`hooke lens`."""

from pathlib import Path

import pytest

from hooke.cli.app import main
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


def test_all_tokens_and_layers_as_json(hooke: Hooke):
    data = hooke("lens bridge-of-iron --model MODEL --last 1 --json").data
    assert "".join(data["tokens"]) == "bridge-of-iron"
    assert [row["layer"] for row in data["layers"]] == list(range(len(data["layers"])))
    for row in data["layers"]:
        assert len(row["cells"]) == len(data["tokens"])
        assert row["cells"][-1]["rank"] is None
        assert all(cell["logprob"] <= 0 <= cell["entropy"] for cell in row["cells"])


def test_a_table_of_some_layers_ends_with_the_last(hooke: Hooke):
    out = hooke("lens bridge --model MODEL --every 99").out
    layers = [line.split()[0] for line in out.splitlines() if line.split() and line.split()[0].isdigit()]
    assert layers[0] == "0"
    assert len(layers) == 2
    assert "may mean" in out.replace("\n", " ")


def test_a_page(tiny: TinyLab, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    page = tmp_path / "page.html"
    words = ["lens", "<b>bridge", "--model", str(tiny.model), "--html", str(page), "--lab", str(tiny.lab.root)]
    assert main(words) == 0
    assert "Logit lens" in capsys.readouterr().out
    assert "<b>bridge" not in page.read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("lens bridge --model MODEL --last 0", "cannot be shown"),
        ("lens bridge --model MODEL --every 0", "cannot be shown"),
        (f"lens {'a-b-' * 200} --model MODEL", "at most 256"),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code != 0
    assert said in done.err
    assert "Traceback" not in done.err
