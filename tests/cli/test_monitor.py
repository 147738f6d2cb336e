"""`hooke monitor fit | calibrate | eval | run | list`, on a tiny model and sentences that a probe can tell apart."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import SENTENCES, TinyLab


@pytest.fixture(scope="module")
def made(tiny: TinyLab) -> Path:
    """Labelled texts and traffic in files; a monitor of them, fitted and calibrated."""
    from hooke.cli.app import main

    folder = tiny.corpus.parent
    rows = [
        {"text": f"{SENTENCES[2 if label else 0]} {'x' * at}", "label": label, "group": str(at), "style": "s"}
        for at in range(8)
        for label in (True, False)
    ]
    (folder / "labelled.jsonl").write_text("\n".join(map(json.dumps, rows)))
    plain = [json.dumps({"text": f"{SENTENCES[0]} {SENTENCES[3]} {at}"}) for at in range(140)]
    (folder / "code.jsonl").write_text("\n".join(json.dumps({"text": f"{SENTENCES[2]} {at}"}) for at in range(60)))
    (folder / "traffic.jsonl").write_text("\n".join(plain))
    for words in (
        f"fit {folder}/labelled.jsonl --name code --model MODEL --longest 24 --site resid_post.0 --site resid_post.1",
        f"calibrate code --model MODEL --corpus {folder}/traffic.jsonl --documents 100 --act 0.03 --watch 0.05",
    ):
        assert main(tiny.words(f"monitor {words}")) == 0, words
    return folder


def test_a_monitor_is_listed_with_its_thresholds(made: Path, hooke: Hooke):
    done = hooke("monitor list --json")
    # Other tests of these verbs keep monitors in the same lab.
    (spec,) = [one for one in done.data["monitors"] if one["name"] == "code"]
    assert (done.code, spec["name"]) == (0, "code")
    assert spec["watch"] <= spec["act"]
    assert ([one["probe"] for one in spec["scorers"]], bool(spec["valid_for"]["model"])) == (["code"], True)
    assert spec["calibration"]["certificates"]["act"]["upper"] <= 0.03
    assert "code" in hooke("monitor list").out


def test_it_is_measured_beside_controls_and_has_a_second_stage(made: Path, hooke: Hooke):
    done = hooke("monitor eval code --model MODEL --documents 20 --controls 3 --second code --json")
    found = done.data["evaluation"]
    assert (done.code, len(found["areas"])) == (0, 3)
    assert found["areas"][0]["value"] == 1.0
    assert found["false_alarms_traffic"]["n"] == 20
    assert found["not_estimable"]
    assert done.data["cascade"]["cost_second_on_all"] == 32
    shown = hooke("monitor eval code --model MODEL --documents 20 --controls 0")
    assert shown.code == 0
    assert "words alone" in shown.out


def test_it_runs_over_a_text_a_file_and_what_the_model_says(made: Path, hooke: Hooke):
    text = hooke("monitor run code --model MODEL --text def --json")
    assert text.code == 0
    assert all(one["is_prompt"] for one in text.data["tokens"])
    file = hooke(f"monitor run code --model MODEL --file {made}/labelled.jsonl --json")
    peaks = {one["text"][:3]: one["peak"] for one in file.data["texts"]}
    assert peaks["def"] > peaks["The"]
    said = hooke("monitor run code --model MODEL --prompt cat --max-tokens 3 --json")
    assert [one["is_prompt"] for one in said.data["tokens"]].count(False) <= 3
    assert said.data["tokens"][0]["score"] is None
    assert hooke(f"monitor run code --model MODEL --file {made}/labelled.jsonl").code == 0
    assert hooke("monitor run code --model MODEL --text def").code == 0


def test_a_probe_of_the_lab_can_be_taken(made: Path, hooke: Hooke):
    done = hooke(f"monitor fit {made}/labelled.jsonl --name other --probe code --model MODEL --json")
    assert done.code == 0
    (scorer,) = done.data["spec"]["scorers"]
    assert (scorer["probe"], len(scorer["digest"])) == ("code", 16)


def test_a_probe_with_evidence_brings_its_parts_and_its_baselines(made: Path, hooke: Hooke):
    where = "--site resid_post.1 --method means --pooling mean --model MODEL"
    assert hooke(f"probe fit {made}/labelled.jsonl --name told {where}").code == 0
    fit = f"monitor fit {made}/labelled.jsonl --name told --probe told --longest 24 --model MODEL"
    calibrate = f"monitor calibrate told --model MODEL --corpus {made}/traffic.jsonl --documents 60 --act 0.06"
    assert [hooke(words).code for words in (fit, calibrate)] == [0, 0]
    done = hooke("monitor eval told --model MODEL --documents 10 --controls 2 --json")
    assert done.code == 0
    found = done.data["evaluation"]
    evidence = hooke("probe show told --json").data["evidence"]
    assert found["recall"]["n"] == evidence["n_positive"] < 8
    assert found["texts"].endswith("groups held out")
    assert [one["name"] for one in found["areas"]][-1].startswith("words alone")
    card = hooke("monitor card told").out
    for said in ("What its probe was born with", "weights drawn anew", "a part of the texts"):
        assert said in card, said
    # Of a probe without evidence on these texts nobody knows.
    assert hooke(f"monitor fit {made}/labelled.jsonl --name told --probe code --model MODEL").code == 0
    assert "may have been fitted on any of" in " ".join(hooke("monitor card told").out.split())


def test_features_and_several_scorers_can_be_taken_and_told_what_to_do(made: Path, hooke: Hooke):
    features = "--feature resid_post.1/3@tiny --feature resid_post.1/4@tiny --combine max"
    does = "--action escalate --second code --on-error closed --reads prompt"
    done = hooke(f"monitor fit {made}/labelled.jsonl --name both --probe code {features} {does} --model MODEL --json")
    assert done.code == 0
    spec = done.data["spec"]
    assert [one["features"] for one in spec["scorers"]] == [[], ["resid_post.1/3@tiny", "resid_post.1/4@tiny"]]
    assert (spec["action"]["second"], spec["on_error"], spec["reads"]) == ("code", "closed", "prompt")
    assert hooke("monitor run both --model MODEL --text def").code == 0
    words = "--name x --probe code --action stop --second code --model MODEL"
    refused = hooke(f"monitor fit {made}/labelled.jsonl {words}")
    assert (refused.code, "not complete" in refused.err) == (2, True)


def test_what_is_not_there_or_not_ready_gets_one_line(made: Path, hooke: Hooke):
    for words, said in (
        ("run code --model MODEL", "one thing"),
        ("run nothing --model MODEL --text x", "No monitors 'nothing'"),
        ("eval other --model MODEL", "no thresholds"),
        (f"calibrate code --model MODEL --corpus {made}/traffic.jsonl --documents 50", "takes 59"),
        ("fit nothing --name x --model MODEL", "No concept set"),
    ):
        done = hooke(f"monitor {words}")
        assert done.code == 2, words
        assert said in done.err
        assert done.err.count("\n") == 1
