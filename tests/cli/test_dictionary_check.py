"""`hooke dictionary check`."""

import dataclasses
import shutil

from hooke.dictionaries import Dictionary, load_dictionary, save_dictionary
from hooke.dictionaries.claims import Claims
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

CHECK = "dictionary check {} --corpus CORPUS --context 32 --tokens 320 --layer-tokens 64"


def write(tiny: TinyLab, name: str, scale: float = 1.0, **changes) -> None:
    known = load_dictionary("tiny", lab=tiny.lab)
    weights = {**known.state_dict(), "W_dec": known.W_dec * scale}
    config = dataclasses.replace(known.config, name=name, **changes)
    save_dictionary(Dictionary(config, **weights), tiny.lab.path("dictionaries", name))


def test_claims_stand_beside_what_is_measured(hooke: Hooke, tiny: TinyLab):
    write(tiny, "told", 0.3, claims=Claims(source="the card", l0=40.0))
    done = hooke(CHECK.format("told") + " --json")
    l0 = done.data["checked"]["verdicts"][0]
    assert (done.code, l0["claimed"], l0["measured"]["value"], l0["outcome"]) == (1, 40.0, 4.0, "differs")
    assert done.data["findings"][0]["control"] == 4.0
    shown = hooke(CHECK.format("told"))
    assert shown.code == 1
    assert "The active features per token should be 40 by the card" in shown.out
    evaluated = hooke("dictionary eval told --corpus CORPUS --context 32 --tokens 320 --loss-windows 0 --json")
    assert evaluated.data["claims"][0]["outcome"] == "differs"
    shutil.rmtree(tiny.lab.path("dictionaries", "told"))


def test_a_dictionary_of_another_model_is_refused(hooke: Hooke, tiny: TinyLab):
    write(tiny, "foreign", 5.0)
    done = hooke(CHECK.format("foreign"))
    assert done.code == 1
    assert done.err.startswith("hooke: Dictionary 'foreign' belongs to another model, or was read wrongly.")
    shutil.rmtree(tiny.lab.path("dictionaries", "foreign"))
