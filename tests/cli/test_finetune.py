"""`hooke dictionary finetune`."""

import shutil

import pytest

from hooke.dictionaries import load_dictionary
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

TEXT = "--model MODEL --corpus CORPUS --context 32 --n-tokens 768 --lr 0.02"
COMMAND = f"dictionary finetune tiny {{}} {TEXT} --held-out CORPUS --measure 6"


def test_a_dictionary_is_made_from_another_and_held_against_it(hooke: Hooke, tiny: TinyLab):
    data = hooke(COMMAND.format("better") + " --json").data
    found = {one["claim"]: one for one in data["findings"]}
    divergence = found["better: KL divergence from the model's own predictions"]
    assert divergence["value"] < divergence["control"]
    assert divergence["control_name"] == "'tiny', the dictionary that it was made from"
    made = load_dictionary("better", lab=tiny.lab)
    assert (made.config.k, made.config.reads) == (4, ("resid_post.1",))
    assert "better" in hooke("dictionary list").out
    shown = hooke(COMMAND.format("control") + " --objective reconstruction")
    assert "'tiny' after 768 more tokens, for reconstruction" in shown.out
    text = "--tokens 640 --corpus CORPUS --context 32"
    assert hooke(f"dictionary eval better --model MODEL {text} --loss-windows 2").code == 0
    assert hooke(f"index better --model MODEL {text}").code == 0
    assert hooke("feature resid_post.1/3@better").code == 0
    for room, name in (("dictionaries", "better"), ("dictionaries", "control"), ("features", "better")):
        shutil.rmtree(tiny.lab.find(room, name))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (COMMAND.format("tiny"), "There is a dictionary 'tiny' already."),
        (COMMAND.format("x").replace("finetune tiny", "finetune tyny"), "No dictionary 'tyny'"),
        (COMMAND.format("x") + " --objective speed", 'Invalid value "speed" for --objective.'),
        (COMMAND.format("x") + " --reconstruction -1", "'reconstruction' cannot be -1.0."),
        (COMMAND.format("x").replace("768", "76800"), "The fine-tuning was to read 76,800 tokens."),
    ],
)
def test_wrong_words(hooke: Hooke, tiny: TinyLab, command: str, said: str):
    before = tiny.lab.names("dictionaries")
    done = hooke(command)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"hooke: {said}")
    assert tiny.lab.names("dictionaries") == before
