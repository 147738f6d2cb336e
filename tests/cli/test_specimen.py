"""`hooke specimen ...`."""

import pytest

from hooke.specimens import SPECIMENS
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab


def test_list(hooke: Hooke):
    found = hooke("specimen list --json").data["specimens"]
    assert [one["name"] for one in found] == list(SPECIMENS)
    assert "two-hop" in hooke("specimen list").out


def test_show(hooke: Hooke):
    data = hooke("specimen show two-hop --json").data
    case = next(one for one in data["cases"] if one["prompt"] == "the language of the country of Besk is")
    assert case["answer"] == "Velmish"
    assert case["probability"]["specimen"] > 0.9 > 0.1 > case["probability"]["random"]
    labels = [one["label"] for one in case["nodes"]]
    assert "the country is Velmar" in labels
    assert [labels.index("'Besk'"), labels.index("the country is Velmar")] in case["edges"]
    shown = hooke("specimen show two-hop").out
    assert "the country is Velmar" in shown
    assert "neurons.0/" in shown


def test_show_names_the_directions_that_decide(hooke: Hooke):
    (refusal,) = hooke("specimen show gated-refusal --json").data["directions"]
    assert (refusal["name"], refusal["site"], len(refusal["vector"])) == ("refusal", "resid_post.1", 256)
    assert "resid_post.1" in hooke("specimen show gated-refusal").out
    assert hooke("specimen show two-hop --json").data["directions"] == []


def test_recover_finds_what_was_planted_and_nothing_in_the_twin(hooke: Hooke):
    specimen, twin, random = hooke("specimen recover induction --json").data["found"]
    assert (specimen["node_recall"]["value"], specimen["edge_precision"]["value"]) == (1, 1)
    assert max(one[measure]["value"] for one in (twin, random) for measure in ("node_recall", "edge_recall")) <= 0.05
    assert "edge recall" in hooke("specimen recover induction").out


def test_build_makes_models_that_every_verb_can_load(hooke: Hooke):
    data = hooke("specimen build induction --json").data
    assert data["models"] == ["specimen-induction", "specimen-induction-twin", "specimen-induction-random"]
    assert hooke("model check specimen-induction").code == 0
    kept = {one["name"]: one["kept"] for one in hooke("specimen list --json").data["specimens"]}
    assert kept["induction"]
    assert "specimen-induction-twin" in hooke("model list").out


def test_an_unknown_specimen_is_refused(hooke: Hooke):
    done = hooke("specimen show two-hops")
    assert (done.code, done.out) == (2, "")
    assert "Did you mean 'two-hop'?" in done.err


def test_methods_are_scored_on_all_three_models(hooke: Hooke):
    (found,) = hooke("specimen score two-hop --method eap --method patch-attribution --json").data["specimens"]
    assert found["name"] == "two-hop"
    assert [(one["method"], one["arm"]) for one in found["scores"]] == [
        (method, arm) for method in ("eap", "patch-attribution") for arm in ("specimen", "twin", "random")
    ]
    assert found["scores"][0]["recall"]["value"] == 1
    assert found["effects"]["specimen"] > found["effects"]["random"]
    assert "AUROC" in hooke("specimen score two-hop --method graph-neurons").out
    assert hooke("specimen score two-hop --method guess").code == 2


def test_models_that_another_version_kept_are_named(hooke: Hooke, tiny: TinyLab):
    assert hooke("specimen build gated-refusal").code == 0
    assert hooke("specimen show gated-refusal --json").data["outdated"] is False
    note = tiny.lab.path("models", "specimen-gated-refusal") / "provenance.json"
    note.write_text(note.read_text().replace('"weights": "', '"weights": "of-another-'))
    assert hooke("specimen show gated-refusal --json").data["outdated"] is True
    assert "Make it anew: hooke specimen build gated-refusal" in " ".join(
        hooke("specimen show gated-refusal").out.split()
    )
    assert hooke("specimen build gated-refusal").code == 0
    assert hooke("specimen show gated-refusal --json").data["outdated"] is False


def test_a_build_that_is_stopped_leaves_no_half_model(hooke: Hooke, tiny: TinyLab, monkeypatch: pytest.MonkeyPatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr("hooke.specimens.collection.truth", stop)
        assert hooke("specimen build sycophancy").code == 130
    assert "specimen-sycophancy" not in tiny.lab.names("models")
    assert hooke("specimen build sycophancy").code == 0
    assert hooke("model info specimen-sycophancy").code == 0
