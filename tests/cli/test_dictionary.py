"""`hooke dictionary ...`."""

from pathlib import Path

import pytest

from hooke.cli.app import main
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab, write_dictionary

EVAL = "dictionary eval tiny --corpus CORPUS --context 32 --tokens 640 --loss-windows 2"


def test_list_in_an_empty_lab_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["dictionary", "list", "--lab", str(tmp_path / "empty")]) == 0
    out = capsys.readouterr().out
    assert "starter" in out or "hooke train --help" in out


def test_list_says_what_each_is_and_what_is_wrong_with_it(hooke: Hooke, tiny: TinyLab):
    broken = write_dictionary(tiny.lab, "broken", "m")
    (broken / "config.json").write_text("{")
    try:
        found = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    finally:
        (broken / "config.json").unlink()
        (broken / "weights.safetensors").unlink()
        broken.rmdir()
    assert (found["tiny"]["kind"], found["tiny"]["n_features"], found["tiny"]["k"]) == ("topk", 48, 4)
    assert found["tiny"]["problem"] == ""
    assert found["broken"]["problem"]


def test_eval_measures_beside_a_control(hooke: Hooke):
    data = hooke(EVAL + " --json").data
    claims = {one["claim"]: one for one in data["findings"]}
    fvu = claims["tiny: fraction of variance unexplained"]
    assert fvu["interval"][0] <= fvu["value"] <= fvu["interval"][1]
    assert fvu["control"] is not None
    assert "active features per token" in hooke(EVAL).out


def test_wrong_words(hooke: Hooke):
    for command, said in (
        ("dictionary eval tyny --corpus CORPUS", "No dictionary 'tyny'"),
        (EVAL.replace("640", "10"), "10 tokens and 2 windows of loss cannot be measured."),
        (EVAL.replace("CORPUS", "nowhere.txt"), "No corpus 'nowhere.txt'."),
    ):
        done = hooke(command)
        assert done.code == 2, done
        assert done.err.startswith(f"hooke: {said}")
