"""`hooke quickstart`, on the real model."""

import json
from pathlib import Path

import pytest

from hooke.cli.app import main
from hooke.cli.quickstart import STEERED
from hooke.lab import Lab


def test_too_little_text_is_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["quickstart", "--from-scratch", "--tokens", "10", "--lab", str(tmp_path)]) == 2
    assert "teach a dictionary nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_starter_is_shown_and_the_page_loads_nothing(
    real_lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    # A feature takes half a minute, and the other two go the same way; so do its strengths, and the rest of the text.
    monkeypatch.setattr("hooke.cli.quickstart.N_TOKENS", 2_048)
    monkeypatch.setattr("hooke.cli.quickstart.N_LOSS_WINDOWS", 4)
    monkeypatch.setattr("hooke.cli.quickstart.STEERED", STEERED[:1])
    monkeypatch.setattr("hooke.cli.quickstart.STRENGTHS", (1.0,))
    assert main(["quickstart", "--lab", str(real_lab.root), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    measured = data["measured"]
    assert measured["own"]["fvu"]["value"] < measured["control"]["fvu"]["value"] / 2
    assert measured["losses"]["own"]["recovered_mean"]["value"] > 0.9
    assert [one["name"] for one in data["steered"]] == [f"resid_post.15/{STEERED[0]}@smollm2-res"]
    assert all(len(one["controls"]) >= 3 for one in data["steered"])
    page = Path(data["page"]).read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "<script" not in page
