"""`hooke dictionary ...`."""

import shutil
from pathlib import Path

import pytest
import torch

from hooke.cli.app import main
from hooke.dictionaries import load_replacement
from hooke.dictionaries.formats.circuit_tracer import write_circuit_tracer
from hooke.dictionaries.formats.native_sets import save_replacement, save_set
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab, write_dictionary
from tests.dictionaries.transcoders import transcoder_set

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


def test_transcoders_go_out_and_come_in(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    save_set(transcoder_set(d_in=32, d_out=32), tiny.lab.path("dictionaries", "small"))
    listed = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    assert (listed["small"]["n_features"], listed["small"]["problem"]) == (30, "")
    assert listed["small"]["reads"] == "mlp_in of layers 0-2"
    hooke(f"dictionary export small {tmp_path}/out --model owner/tiny --json")
    data = hooke(f"dictionary import {tmp_path}/out back --storage float16 --json").data
    assert (data["model"], data["n_features"]) == ("owner/tiny", 30)
    before, after = (load_replacement(name, lab=tiny.lab) for name in ("small", "back"))
    # float16 keeps 11 bits.
    torch.testing.assert_close(after.skip(1), before.skip(1), rtol=1e-3, atol=1e-3)
    fitting = hooke(f"dictionary import {tmp_path}/out fitting --model MODEL --json")
    assert fitting.data["reads"] == "mlp_in of layers 0-2"
    for name in ("small", "back", "fitting"):
        shutil.rmtree(tiny.lab.path("dictionaries", name))


def test_eval_of_transcoders_shows_each_layer_and_all_together(hooke: Hooke, tiny: TinyLab):
    made = transcoder_set(d_in=32, d_out=32)
    save_replacement(made, tiny.lab.path("dictionaries", "small"), name="small", model=str(tiny.model))
    command = EVAL.replace("tiny", "small").replace("640", "128")
    data = hooke(command + " --each-layer --json").data
    claims = {one["claim"] for one in data["findings"]}
    assert "small: all layers replaced: KL divergence from the model's own predictions" in claims
    assert "small: layer 2 replaced: cross-entropy added" in claims
    assert [one["layer"] for one in data["measured"]["layers"]] == [0, 1, 2]
    assert hooke(command).out.startswith("small  mlp_in of layers 0-2 of tiny-model")
    shutil.rmtree(tiny.lab.path("dictionaries", "small"))


def test_imports_and_exports_that_cannot_be(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    write_circuit_tracer(transcoder_set(), tmp_path / "out")
    for command, said in (
        (f"dictionary import {tmp_path}/out tiny", "There is a dictionary 'tiny' already."),
        (f"dictionary import {tmp_path}/none back", f"No dictionary at '{tmp_path}/none'."),
        (f"dictionary import {tmp_path}/out back --model MODEL", "'out' does not fit the model"),
        (f"dictionary export tiny {tmp_path}/new", "'tiny' stands in for no MLP."),
        (f"dictionary export tiny {tmp_path}/out", f"'{tmp_path}/out' is there already."),
    ):
        done = hooke(command)
        assert done.code in (1, 2)
        assert done.err.startswith(f"hooke: {said}"), done.err
    assert not (tmp_path / "new").exists()
    assert "back" not in tiny.lab.names("dictionaries")
