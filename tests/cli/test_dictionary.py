"""`hooke dictionary ...`."""

import shutil
from pathlib import Path

import pytest
import torch

from hooke.cli.app import main
from hooke.dictionaries import Dictionary, DictionaryConfig, load_dictionary, load_replacement
from hooke.dictionaries.dictionary import weight_shapes
from hooke.dictionaries.formats.circuit_tracer import write_circuit_tracer
from hooke.dictionaries.formats.native_sets import save_replacement, save_set
from hooke.dictionaries.formats.saelens_write import write_saelens
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab, write_dictionary
from tests.dictionaries.transcoders import transcoder_set

GOLDEN = Path(__file__).parents[1] / "golden" / "saelens"
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


def test_a_single_dictionary_goes_out_and_comes_in(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    out = hooke(f"dictionary export tiny {tmp_path}/out --format saelens --model owner/tiny --json").data
    assert (out["model"], out["kind"], out["n_features"], out["reads"]) == ("owner/tiny", "topk", 48, "resid_post.1")
    data = hooke(f"dictionary import {tmp_path}/out back --storage float16 --json").data
    assert (data["model"], data["reads"]) == ("owner/tiny", "resid_post.1")
    moved = hooke(f"dictionary import {tmp_path}/out moved --model MODEL --site resid_pre.1 --json").data
    assert (moved["model"], moved["reads"]) == (str(tiny.model), "resid_pre.1")
    before, back, moved = (load_dictionary(name, lab=tiny.lab) for name in ("tiny", "back", "moved"))
    assert (back.name, back.config.k) == ("back", 4)
    torch.testing.assert_close(back.W_dec, before.W_dec, rtol=1e-3, atol=1e-3)
    assert torch.equal(moved.W_enc, before.W_enc)
    assert '"folder": "out"' in (tiny.lab.path("dictionaries", "back") / "provenance.json").read_text()
    for name in ("back", "moved"):
        shutil.rmtree(tiny.lab.path("dictionaries", name))


def test_what_was_folded_on_import_is_shown(hooke: Hooke, tiny: TinyLab):
    data = hooke(f"dictionary import {GOLDEN / 'scaled'} scaled --input-scale 0.5 --json").data
    assert (data["folded in"], data["L0, by its own files"]) == ("input_scale=0.5, b_dec", "2.5")
    # What was folded and claimed stays known.
    kept = load_dictionary("scaled", lab=tiny.lab).config
    assert (kept.folded, kept.claims and kept.claims.l0) == (("input_scale=0.5", "b_dec"), 2.5)
    shutil.rmtree(tiny.lab.path("dictionaries", "scaled"))


def test_heads_side_by_side_fit_the_site_that_has_them(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    config = DictionaryConfig(
        name="heads", model="m", kind="relu", reads=("z.1",), writes=("z.1",), n_features=5, d_in=32, d_out=32
    )
    made = {name: torch.ones(shape) for name, shape in weight_shapes(config).items()}
    write_saelens(Dictionary(config, **made), tmp_path / "heads")
    assert hooke(f"dictionary import {tmp_path}/heads heads --model MODEL --json").data["reads"] == "z.1"
    assert hooke(EVAL.replace("tiny", "heads") + " --json").data["measured"]["sites"] == ["z.1", "z.1"]
    shutil.rmtree(tiny.lab.path("dictionaries", "heads"))


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
        (f"dictionary import {tmp_path}/out back --site mlp_in.0", f"'{tmp_path}/out' has transcoders of layers"),
        (f"dictionary import {GOLDEN}/standard back --model MODEL", "Dictionary 'standard' does not fit the model"),
        (f"dictionary import {GOLDEN}/standard back --site resid", "No site 'resid'."),
        (f"dictionary export tiny {tmp_path}/new --format saelen", "No format 'saelen'. Did you mean 'saelens'?"),
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
