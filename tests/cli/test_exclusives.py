"""A crosscoder of two models, from training to the microscope."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hooke.dictionaries import load_dictionary
from hooke.features.query import Index
from tests.cli.conftest import Hooke
from tests.cli.test_train import SIZES
from tests.cli.tiny_lab import TinyLab, make_tokenizer
from tests.models.tiny import tiny_hf

TEXT = "--corpus CORPUS --context 32"


def write(folder: Path, seed: int, **settings: object) -> Path:
    tokenizer = make_tokenizer()
    settings = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None} | settings
    tiny_hf("llama", seed, vocab_size=len(tokenizer), max_position_embeddings=256, **settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def others(tiny: TinyLab) -> Iterator[None]:
    """Another model of the tiny one's kind in the lab, and a wider one."""
    write(tiny.lab.path("models", "tuned"), 1)
    write(tiny.lab.path("models", "wide"), 1, hidden_size=48)
    shutil.copytree(tiny.model, tiny.lab.path("models", "tiny-model"))
    yield
    for name in ("tuned", "wide", "tiny-model"):
        shutil.rmtree(tiny.lab.path("models", name))


@pytest.mark.usefixtures("others")
def test_a_crosscoder_of_two_models(hooke: Hooke, tiny: TinyLab):
    live = f"train two --model MODEL --other tuned --form crosscoder --site resid_post.1 {TEXT} {SIZES}"
    assert "64 features at resid_post.1 beside the same of tuned of tiny-model" in hooke(live + " --kind batchtopk").out
    made = load_dictionary("two", lab=tiny.lab)
    assert (made.config.models, made.config.reads, made.config.d_in) == (("tiny-model", "tuned"), ("resid_post.1",), 64)
    for name, model in (("first", "MODEL"), ("second", "tuned")):
        hooke(f"harvest {model} --name {name} --site resid_post.1 --tokens 700 {TEXT}")
    stored = f"train {{}} --activations first --other {{}} --form crosscoder --site resid_post.1 --kind relu {SIZES}"
    assert hooke(stored.format("kept", "second")).code == 0
    assert load_dictionary("kept", lab=tiny.lab).config.models == ("tiny-model", "tuned")
    assert hooke(stored.format("copies", "first")).code == 0
    found = {one["name"]: one for one in hooke("dictionary list --json").data["dictionaries"]}
    assert found["two"]["model"] == "tiny-model, tuned"

    asked = f"dictionary exclusives two --null copies --tokens 960 {TEXT}"
    data = hooke(asked + " --json").data
    assert data["models"] == ["tiny-model", "tuned"]
    assert [one["claim"] for one in data["findings"]][:2] == [
        "two: features in tiny-model only, by their norms",
        "two: features in tiny-model only, borne out by latent scaling",
    ]
    assert data["findings"][1]["control"] == 0
    assert "In tuned only, by their norms" in hooke(asked).out

    data = hooke(f"dictionary eval two --tokens 320 --loss-windows 2 {TEXT} --json").data
    assert [one["sites"][1] for one in data["measured"]] == ["resid_post.1 of tiny-model", "resid_post.1 of tuned"]
    assert sum(one["mean_share"] for one in data["shares"]) == pytest.approx(1)

    assert hooke(f"index two --tokens 320 {TEXT}").code == 0
    assert hooke(f"index two --name two-tuned --model tuned --tokens 320 {TEXT}").code == 0
    one, other = (Index.open(name, lab=tiny.lab) for name in ("two", "two-tuned"))
    assert (one.manifest.model, other.manifest.model) == ("tiny-model", "tuned")
    assert one.card(3).max == other.card(3).max
    assert one.card(3).promoted != other.card(3).promoted
    assert "resid_post.1" in hooke("feature resid_post.1/3@two").out
    refused = hooke("read bridge --index two --model MODEL")
    assert refused.code != 0
    assert "made for the models tiny-model and tuned, which it reads together" in refused.err
    said = hooke("steer resid_post.1/3@two bridge --strengths 4 --max-tokens 4 --model MODEL --json").data["said"]
    assert [arm["name"] for arm in said] == ["baseline", "treated", "random"]
    for room, names in (
        ("dictionaries", ("two", "kept", "copies")),
        ("features", ("two", "two-tuned")),
        ("activations", ("first", "second")),
    ):
        for name in names:
            shutil.rmtree(tiny.lab.find(room, name))


STORED = f"train x --activations store --form crosscoder --site mlp_out.0 {SIZES} --other "
LIVE = f"train x --model MODEL --form crosscoder --site resid_post.1 {TEXT} {SIZES} --other "


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (LIVE + "wide", "The two models are not of one width at resid_post.1. tiny-model has 32 numbers, wide 48."),
        (LIVE + "nobody", "No model 'nobody'."),
        (LIVE.replace("crosscoder", "transcoder") + "tuned", "Only a crosscoder is of two models."),
        (STORED + "stor", "No activations 'stor'"),
        ("dictionary exclusives tiny", "Exclusive features are those of a crosscoder of one site of two models."),
    ],
)
def test_wrong_words(hooke: Hooke, command: str, said: str):
    done = hooke(command)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"hooke: {said}")
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("others")
def test_stores_of_other_tokens_are_refused(hooke: Hooke, tiny: TinyLab):
    hooke(f"harvest tuned --name fewer --site mlp_out.0 --tokens 700 {TEXT}")
    done = hooke(STORED + "fewer")
    assert done.code == 2
    assert "The stores 'store' and 'fewer' are not of the same tokens. Their number of tokens differs." in done.err
    shutil.rmtree(tiny.lab.find("activations", "fewer"))
