"""`hooke concept ...` and `hooke specimen concept`."""

import json
from pathlib import Path

import pytest

from hooke.evaluate import translated_features
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

MODEL = "--model MODEL"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few labelled texts of one's own."""
    path = tmp_path_factory.mktemp("mine") / "animals.jsonl"
    pairs = [("cat", "mat"), ("chat", "pont"), ("dog", "log"), ("hen", "pen"),
             ("fox", "box"), ("cow", "bow"), ("ant", "pan"), ("owl", "bowl")]  # fmt: skip
    lines = [
        {"text": f"The {word} {where}.", "label": word == own, "group": own, "style": "plain"}
        for own, other in pairs
        for word in (own, other)
        for where in ("sat on the river", "dort sous le pont")
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def test_the_sets_are_listed(hooke: Hooke):
    found = {one["name"]: one for one in hooke("concept list --json").data["concepts"]}
    assert {"sarcasm", "hedging", "deception", "sentiment"} <= set(found)
    assert found["deception"]["groups"] == 16
    assert "Somebody tells a lie." in hooke("concept list").out


def test_candidates_stand_beside_their_controls_and_are_kept(hooke: Hooke, mine: Path, tiny: TinyLab):
    command = f"concept features {mine} tiny {MODEL} --corpus CORPUS --candidates 2"
    data = hooke(f"{command} --json").data
    assert data["features"]["concept"] == "animals"
    assert len(data["features"]["candidates"]) == 2
    assert len(data["steering"]) == 1
    assert set(data["levels"].values()) <= {"not surely told", "told", "told beyond controls"}
    kept = json.loads((tiny.lab.path("reports", "concept-animals-tiny.json")).read_text())
    assert kept["verdict"] == data["verdict"]
    assert kept["provenance"]["seed"] == 0
    shown = hooke(f"{command} --steer 0").out
    assert "a probe of words alone" in shown
    assert "Adding" not in shown


def test_translations_stand_beside_their_controls(hooke: Hooke, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(translated_features, "_N_SHUFFLES", 100)
    data = hooke(f"concept translations tiny {MODEL} --json").data
    assert [row["language"] for row in data["translations"]["languages"]] == ["fr", "de", "es", "it", "pt"]
    assert len(data["findings"]) == 5
    shown = hooke(f"concept translations tiny {MODEL} --n 1").out
    assert "fire on one sentence's translations" in shown
    lines = [line.split("  ") for line in shown.splitlines()]
    for row in data["translations"]["languages"]:
        (cells,) = ([cell.strip() for cell in line if cell] for line in lines if line[0] == row["language"])
        low, high = (f"{bound:.3f}".replace("-", "−") for bound in row["neuron_lift"]["interval"])
        assert len(cells) == 7
        assert cells[-1].endswith(f"[{low}, {high}]")


def test_the_planted_concept_is_shown_beside_its_twin(hooke: Hooke):
    found = hooke("specimen concept --json").data["found"]
    assert [one["verdict"].split(":")[0] for one in found] == ["found", "none found"]
    assert "planted: resid_post.0/17@planted" in hooke("specimen concept").out


def test_wrong_words(hooke: Hooke, mine: Path, tmp_path: Path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "label": "yes", "group": "g"}', encoding="utf-8")
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(mine.read_text().splitlines()[:12]), encoding="utf-8")
    for command, said in (
        (f"concept features sarcasms tiny {MODEL}", "Did you mean 'sarcasm'?"),
        (f"concept features {broken} tiny {MODEL}", "Line 1 has 'yes' as its 'label'."),
        (f"concept features {few} tiny {MODEL}", "3 of 3 groups have texts with and without the concept."),
        (f"concept features {mine} tinny {MODEL}", "No dictionary 'tinny'"),
        (f"concept features {mine} tiny {MODEL} --steer -1", "-1 features cannot be steered."),
        (f"concept features {mine} tiny {MODEL} --corpus CORPUS --strengths 0", "Strengths cannot be"),
        (f"concept translations tiny {MODEL} --n -1", "-1 features cannot be shown."),
        ("specimen concept --seed -1", "The seed cannot be -1."),
    ):
        done = hooke(command)
        assert done.code == 2, (command, done)
        assert said in " ".join(done.err.split()), (command, done.err)


def test_a_dictionary_of_another_model_is_refused(hooke: Hooke, mine: Path):
    done = hooke("specimen build induction --json")
    assert done.code == 0
    done = hooke(f"concept features {mine} tiny --model specimen-induction")
    assert done.code == 1
    assert "does not fit the model" in " ".join(done.err.split())
