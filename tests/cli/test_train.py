"""`hooke train`."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hooke.cli.bars import Lines
from hooke.cli.train import Metrics
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


@pytest.mark.parametrize(
    ("command", "said"),
    [
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
