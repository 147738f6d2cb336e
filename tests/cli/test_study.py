"""`hooke study ...`."""

import pytest

from hooke.findings import Finding
from hooke.studies.study import STUDIES, Study
from tests.cli.conftest import Hooke


def test_studies_are_listed(hooke: Hooke):
    assert [one["name"] for one in hooke("study list --json").data["studies"]] == list(STUDIES)
    assert STUDIES["two-hop"].about in " ".join(hooke("study list").out.split())


def test_findings_are_shown_beside_their_controls(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    def made_up(model: object, *, seed: int) -> list[Finding]:
        common = {"interval": (0.4, 0.6), "n": 7, "control_interval": (0.0, 0.2), "control_name": "nothing at all"}
        return [Finding(claim=f"Seed {seed}", value=0.5, control=0.1, **common)]

    monkeypatch.setitem(STUDIES, "two-hop", Study(about="Why?", run=made_up))
    data = hooke("study run two-hop --model MODEL --seed 3 --json").data
    assert data["findings"][0]["claim"] == "Seed 3"
    out = hooke("study run two-hop --model MODEL").out
    assert "Why?" in out
    assert "control: nothing at all" in out


def test_an_unknown_study_is_refused(hooke: Hooke):
    done = hooke("study run two-hops --model MODEL")
    assert done.code == 2
    assert "Did you mean 'two-hop'" in done.err
