"""`hooke study ...`."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from hooke.circuits.circuit_file import load_circuit
from hooke.circuits.graph import TraceSettings
from hooke.circuits.pairs import open_pairs
from hooke.findings import Estimate, Finding
from hooke.specimens import build
from hooke.studies.account import Account, Picture, Series, Table
from hooke.studies.claim_level import ClaimLevel
from hooke.studies.evidence import Evidence, gather, halves
from hooke.studies.graphs import graph_evidence
from hooke.studies.study import STUDIES, Study
from tests.cli.conftest import Hooke


def test_studies_are_listed(hooke: Hooke):
    assert [one["name"] for one in hooke("study list --json").data["studies"]] == list(STUDIES)
    assert STUDIES["two-hop"].about in " ".join(hooke("study list").out.split())


@cache
def specimen_evidence() -> Evidence:
    specimen = build("two-hop")
    first, second = halves(open_pairs(specimen.model, specimen.pairs))
    found = gather(specimen.model, "two-hop", first, second)
    few, settings = first.some(range(4)), TraceSettings(max_nodes=8, candidates=32)
    return found.with_graphs(graph_evidence(specimen.model, few, few, 1, unrelated=few, settings=settings))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study whose evidence is a specimen's, whatever the model."""

    def run(_: object, *, seed: int) -> Evidence:
        found = specimen_evidence()
        return found.with_more(replace(found.findings[0], claim=f"Seed {seed}"))

    monkeypatch.setitem(STUDIES, "two-hop", Study(about="Why?", run=run))


@pytest.mark.usefixtures("made_up")
def test_findings_are_shown_beside_their_controls_and_written(hooke: Hooke, tmp_path: Path):
    out = tmp_path / "two-hop"
    data = hooke(f"study run two-hop --model MODEL --seed 3 --out {out} --json").data
    assert data["findings"][-1]["claim"] == "Seed 3"
    assert {one["edge"] for one in data["edges"]} >= build("two-hop").circuit
    names = {Path(one).name for one in data["written"]}
    assert names == {path.name for path in out.iterdir()}
    assert names == {
        "two-hop.html", "two-hop.json", "two-hop-circuit.json", "two-hop-stream.svg", "two-hop-heads.svg",
        "two-hop-edges.svg", "two-hop-graphs.svg", "two-hop-graphs.json", "two-hop-named-circuit.json",
    }  # fmt: skip
    common = json.loads((out / "two-hop-graphs.json").read_text())
    assert common["graphs"] == 16
    assert common["roles"][0]["interval"]
    groups = json.loads((out / "two-hop-named-circuit.json").read_text())["circuit"]["groups"]
    assert [one["name"] for one in groups] == [one["name"] for one in data["named_circuit"]["groups"]]
    assert json.loads((out / "two-hop.json").read_text())["findings"][-1]["claim"] == "Seed 3"
    assert load_circuit(out / "two-hop-circuit.json").kept.sum() == len(build("two-hop").circuit)


@pytest.mark.usefixtures("made_up")
def test_what_is_shown_has_the_control(hooke: Hooke):
    shown = " ".join(hooke("study run two-hop --model MODEL").out.split())
    assert "Why?" in shown
    assert "control: as many random edges" in shown
    assert "layer 1 at the last" in shown
    assert "--out FOLDER" in shown


def test_a_folder_that_cannot_be_is_said_before_the_work(hooke: Hooke, tmp_path: Path):
    (tmp_path / "taken").write_text("")
    done = hooke(f"study run two-hop --model MODEL --out {tmp_path / 'taken'}")
    assert done.code == 2
    assert "cannot be a folder" in " ".join(done.err.split())


def test_an_unknown_study_is_refused(hooke: Hooke):
    done = hooke("study run two-hops --model MODEL")
    assert done.code == 2
    assert "Did you mean 'two-hop'" in done.err


def test_an_account_is_shown_and_written(hooke: Hooke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(_: object, *, seed: int) -> Account:
        finding = Finding(claim=f"Seed {seed}", value=1.0, interval=(0.0, 2.0), n=3)
        doses = Series(name="added", values=(Estimate(value=1.0, interval=(0.0, 2.0)),) * 2)
        return Account(
            name="refusal",
            findings=(finding,),
            tables=(Table(title="Tried", heads=("x",), rows=(("9",),)),),
            level=ClaimLevel(level="L3", words="causal, not robust"),
            pictures=(Picture(name="doses", title="", caption="", axis="", series=(doses,), doses=(0.0, 1.0)),),
        )

    monkeypatch.setitem(STUDIES, "refusal", Study(about="Does it?", run=run))
    data = hooke(f"study run refusal --model MODEL --seed 3 --out {tmp_path} --json").data
    assert data["findings"][0]["claim"] == "Seed 3"
    assert data["tables"][0]["rows"] == [["9"]]
    assert data["level"]["level"] == "L3"
    assert {path.name for path in tmp_path.iterdir()} == {"refusal.html", "refusal.json", "refusal-doses.svg"}
    assert "Seed 3" in (tmp_path / "refusal.html").read_text()
    shown = hooke("study run refusal --model MODEL").out
    assert "Seed 0" in shown
    assert "Tried" in shown
    assert "Claim level L3: causal, not robust." in shown
