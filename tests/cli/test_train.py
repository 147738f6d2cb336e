"""`hooke train`."""

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from hooke.cli.bars import Lines
from hooke.cli.train import Metrics, parse_layers
from hooke.dictionaries import load_replacement
from hooke.errors import BadRequest
from hooke.progress import Sink
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

SIZES = "--n-features 64 --k 4 --n-tokens 2000 --batch 200 --calibration-tokens 400"
FROM_MODEL = f"train {{}} --model MODEL --site resid_post.1 --corpus CORPUS --context 32 {SIZES}"


def test_a_dictionary_from_a_store(hooke: Hooke, tiny: TinyLab):
    data = hooke(f"train from-store --activations store --site resid_post.1 {SIZES} --json").data
    assert data["config"]["n_features"] == 64
    assert data["metrics"]["l0"] == 4
    assert (tiny.lab.find("dictionaries", "from-store") / "config.json").is_file()
    assert "from-store" in hooke("dictionary list").out


def test_a_dictionary_straight_from_a_model(hooke: Hooke, tiny: TinyLab):
    done = hooke(FROM_MODEL.format("from-model"))
    assert done.code == 0
    assert "64 features at resid_post.1" in done.out
    tiny.lab.find("dictionaries", "from-model")


TRANSCODERS = f"train {{}} --model MODEL --form {{}} --corpus CORPUS --context 32 {SIZES}"


def test_transcoders_of_all_layers_straight_from_a_model(hooke: Hooke, tiny: TinyLab):
    data = hooke(TRANSCODERS.format("small", "transcoder") + " --skip --json").data
    assert data["site"] == "mlp_in of each of layers 0-2"
    assert set(data["metrics"]["parts"]) == {"mlp_in.0", "mlp_in.1", "mlp_in.2"}
    made = load_replacement("small", lab=tiny.lab)
    assert made.layers == (0, 1, 2)
    assert made.skip(1) is not None
    found = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    assert found["small"]["reads"] == "mlp_in of layers 0-2"
    shutil.rmtree(tiny.lab.find("dictionaries", "small"))


def test_a_cross_layer_transcoder_of_some_layers_from_a_store(hooke: Hooke, tiny: TinyLab):
    sites = " ".join(f"--site {kind}.{layer}" for kind in ("resid_mid", "mlp_out") for layer in (1, 2))
    hooke(f"harvest MODEL --name both {sites} --tokens 1500 --corpus CORPUS --context 32")
    command = f"train cross --activations both --form crosslayer --reads resid_mid --layers 1-2 {SIZES}"
    assert "64 features at resid_mid of each of layers 1-2" in hooke(command).out
    assert load_replacement("cross", lab=tiny.lab).targets(1) == (1, 2)
    shutil.rmtree(tiny.lab.find("dictionaries", "cross"))
    shutil.rmtree(tiny.lab.find("activations", "both"))


def test_a_dictionary_of_heads_is_measured_indexed_shown_and_steered(hooke: Hooke, tiny: TinyLab):
    hooke("harvest MODEL --name heads-store --site z.1 --tokens 1500 --corpus CORPUS --context 32")
    assert hooke(f"train heads --activations heads-store {SIZES}").code == 0
    again = hooke(f"train heads-live --model MODEL --site z.1 --corpus CORPUS --context 32 {SIZES} --json")
    assert again.data["config"]["d_in"] == 32
    text = "--tokens 640 --corpus CORPUS --context 32"
    measured = hooke(f"dictionary eval heads --model MODEL {text} --loss-windows 4 --json").data["measured"]
    assert measured["sites"] == ["z.1", "z.1"]
    assert measured["losses"]["n_windows"] == 4
    assert hooke(f"index heads --model MODEL {text}").code == 0
    assert hooke("feature z.1/3@heads").code == 0
    assert "z.1" in hooke("read bridge --index heads --model MODEL").out
    said = hooke("steer z.1/3@heads bridge --strengths 4 --max-tokens 4 --model MODEL --json").data["said"]
    assert [one["name"] for one in said] == ["baseline", "treated", "random"]
    for name in ("heads", "heads-live"):
        shutil.rmtree(tiny.lab.find("dictionaries", name))
    shutil.rmtree(tiny.lab.find("activations", "heads-store"))
    shutil.rmtree(tiny.lab.find("features", "heads"))


@pytest.mark.parametrize(
    ("text", "layers"), [("all", [0, 1, 2, 3]), ("2", [2]), ("0-1,3", [0, 1, 3]), ("3, 3, 1-2", [1, 2, 3])]
)
def test_layers_are_named_by_words(text: str, layers: list[int]):
    assert parse_layers(text, 4) == layers


@pytest.mark.parametrize("text", ["", "4", "2-1", "a", "0-9", "1,,2", "-1"])
def test_words_that_name_no_layers_are_refused(text: str):
    with pytest.raises(BadRequest, match="There are layers 0-3"):
        parse_layers(text, 4)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (TRANSCODERS.format("x", "transcoder") + " --layers 7", "'7' names no layers. There are layers 0-2."),
        (TRANSCODERS.format("x", "transcoder") + " --site mlp_in.1", "Transcoders have layers, no site."),
        (f"train x --activations store --form transcoder {SIZES}", "'mlp_in.0' was not harvested."),
        (f"train x --activations store --site resid_post.1 --skip {SIZES}", "A dictionary that reconstructs what it"),
        (f"train x --activations store --form crosscoder {SIZES}", "A crosscoder is of several sites. Found none."),
        (
            f"train x --activations store --form crosscoder --site resid_post.1,resid_post.0 {SIZES}",
            "'resid_post.0' was not harvested.",
        ),
        (
            f"train x --model MODEL --form crosscoder --site resid_post.1,neurons.1 --corpus CORPUS {SIZES}",
            "A crosscoder's sites are of one width.",
        ),
        (f"train x {SIZES}", "A training has one source."),
        (f"train x --activations store --model MODEL {SIZES}", "A training has one source."),
        (f"train x --activations store {SIZES}", "The store 'store' holds 2 sites. mlp_out.0, resid_post.1."),
        (f"train x --activations stor {SIZES}", "No activations 'stor' in the lab"),
        (f"train x --activations store --site resid_post.0 {SIZES}", ""),
        (f"train x --model MODEL {SIZES}", "A training on a model needs a site."),
        (f"train tiny --activations store --site resid_post.1 {SIZES}", "There is a dictionary 'tiny' already."),
        (f"train a/b --activations store --site resid_post.1 {SIZES}", "'a/b' is not a name for dictionaries."),
        ("train x --activations store --n-features 8 --n-tokens 9 --k 32", "'k' cannot be 32. There are 8 features."),
        (f"train x --activations store --site resid_post.1 {SIZES} --kind topq", 'Invalid value "topq" for --kind.'),
        (FROM_MODEL.format("x").replace("n-tokens 2000", "n-tokens 200000"), "The training was to see 200,000 tokens."),
    ],
)
def test_wrong_words(hooke: Hooke, tiny: TinyLab, command: str, said: str):
    before = tiny.lab.names("dictionaries")
    done = hooke(command)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"hooke: {said}")
    assert "Traceback" not in done.err
    assert tiny.lab.names("dictionaries") == before


def test_live_metrics_come_from_the_log(tmp_path: Path):
    log = tmp_path / "training.jsonl"
    out = Console(file=io.StringIO(), width=120)
    lines = Lines(out)
    sink = Metrics(lines, log)
    assert isinstance(sink, Sink)
    sink.start("train", 100.0, "tokens")
    sink.advance("train", 10.0)
    log.write_text(json.dumps({"fvu": 0.25, "l0": 4.0, "dead_share": 0.5}) + "\n")
    sink.advance("train", 10.0)
    assert lines._jobs["train"].note == "FVU 0.250, L0 4.0, dead 50.0 %"
    sink.finish("train")
