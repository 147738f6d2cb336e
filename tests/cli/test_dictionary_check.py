"""`hooke dictionary check`."""

import dataclasses
import shutil
from pathlib import Path

from hooke.dictionaries import Dictionary, load_dictionary, save_dictionary
from hooke.dictionaries.claims import Claims
from hooke.dictionaries.formats.native_sets import save_set
from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab
from tests.dictionaries.transcoders import transcoder_set

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


def test_an_import_says_whether_it_was_held_against_the_model(hooke: Hooke, tiny: TinyLab, tmp_path: Path):
    known = load_dictionary("tiny", lab=tiny.lab)
    for name, scale in (("weak", 0.3), ("foreign", 5.0)):
        weights = {**known.state_dict(), "W_dec": known.W_dec * scale}
        save_dictionary(Dictionary(known.config, **weights), tmp_path / name)
    how = "--model MODEL --corpus CORPUS --context 32"
    done = hooke(f"dictionary import {tmp_path}/weak taken {how}")
    assert done.code == 0
    assert "Not held against the model" in done.out
    assert "hooke dictionary check taken" in done.out
    done = hooke(f"dictionary import {tmp_path}/weak looked-at --check {how} --json")
    assert done.data["checked"]["verdicts"][0]["measured"]["value"] == 4.0
    assert done.code == (1 if done.data["checked"]["doubts"] else 0)
    done = hooke(f"dictionary import {tmp_path}/foreign foreign --check {how}")
    assert (done.code, "belongs to another model, or was read wrongly" in done.err) == (1, True)
    save_set(transcoder_set(d_in=32, d_out=32), tmp_path / "several")
    done = hooke(f"dictionary import {tmp_path}/several several --check")
    assert (done.code, "has transcoders of several layers" in done.err) == (2, True)
    assert {"foreign", "several"}.isdisjoint(tiny.lab.names("dictionaries"))
    for name in ("taken", "looked-at"):
        shutil.rmtree(tiny.lab.path("dictionaries", name))
