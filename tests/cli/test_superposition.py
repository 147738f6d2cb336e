"""`hooke specimen superposition`."""

from pathlib import Path

import pytest

from hooke.specimens import superposition
from tests.cli.conftest import Hooke


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superposition, "QUICK", superposition.Effort(steps=0.02, seeds=0.1))


@pytest.mark.usefixtures("little")
def test_findings_beside_what_was_published_and_files(hooke: Hooke, tmp_path: Path):
    out = tmp_path / "made" / "here"
    data = hooke(f"specimen superposition --quick --out {out} --json").data
    names = [one["name"] for one in data["experiments"]]
    assert names == ["layouts", "phases", "bodies", "attacks", "pairs", "learning"]
    claim = data["experiments"][0]["claims"][0]
    assert claim["published"] == "2"
    assert len(claim["finding"]["interval"]) == 2
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["superposition.html", *(f"superposition-{name}.svg" for name in names)]
    )


@pytest.mark.usefixtures("little")
def test_the_table_names_the_control_and_the_next_step(hooke: Hooke):
    shown = hooke("specimen superposition --quick").out
    assert "--out FOLDER" in shown
    assert "pentagon" in shown


def test_a_place_that_is_no_folder_is_refused_before_anything_is_trained(hooke: Hooke, tmp_path: Path):
    (tmp_path / "file").write_text("")
    answer = hooke(f"specimen superposition --out {tmp_path / 'file'}")
    assert answer.code == 2
    assert "cannot be a folder" in answer.err


def test_a_negative_seed_is_refused(hooke: Hooke):
    assert hooke("specimen superposition --seed -1").code == 2
