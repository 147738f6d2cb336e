"""Prompts on disk: kept, read without a model, thrown away; ids are no paths."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.lab import Lab, read_json, write_json
from hooke.prompts.fitted_lens import FittedLens
from hooke.prompts.inspect import inspect
from hooke.prompts.kept import KeptPrompt, Message, keep, kept_prompts, open_prompt, read_metas, throw_away
from tests.models.tiny import tiny_model
from tests.prompts.random_lens import random_lens
from tests.prompts.small_prompt import VOCABULARY, small_dictionary


def kept(lab: Lab, ids: tuple[int, ...] = (3, 14, 15, 0, 26), lenses: tuple[FittedLens, ...] = ()) -> KeptPrompt:
    model = tiny_model()
    found = inspect(model, model.tokenize(torch.tensor(ids)), [small_dictionary()], lenses)
    messages = (Message(role="user", content="hi"),)
    return keep(lab, found, VOCABULARY, model="tiny", text="text", messages=messages)


def test_what_is_kept_comes_back(tmp_path: Path):
    lab = Lab(tmp_path)
    first = kept(lab)
    again = open_prompt(lab, first.meta.id)
    assert again.meta == first.meta
    assert again.meta.tokens == (" w3", " w14", " w15", " w0", " w26")
    assert again.meta.special == (3,)
    assert again.meta.dictionaries[0].name == "small"
    for name, array in first.arrays.items():
        assert np.array_equal(again.arrays[name], array, equal_nan=array.dtype.kind == "f"), name
    named = set(np.unique(again.arrays["lens_ids"]).tolist())
    assert set(again.texts) == named
    assert all(text == f" w{token}" for token, text in again.texts.items())


def test_latest_first_and_thrown_away(tmp_path: Path):
    lab = Lab(tmp_path)
    ids = sorted(kept(lab).meta.id for _ in range(3))
    assert kept_prompts(lab) == ids[::-1]
    throw_away(lab, ids[0])
    assert kept_prompts(lab) == ids[:0:-1]
    with pytest.raises(UnknownName):
        open_prompt(lab, ids[0])


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x\0"])
def test_an_id_is_never_a_path(tmp_path: Path, name: str):
    with pytest.raises(BadRequest):
        open_prompt(Lab(tmp_path), name)


@pytest.mark.parametrize("text", ["{}", "[1]", "not json", '{"id": 3}'])
def test_a_damaged_prompt_is_refused_and_left_out_of_lists(tmp_path: Path, text: str):
    lab = Lab(tmp_path)
    one = kept(lab)
    (one.folder / "meta.json").write_text(text)
    with pytest.raises(BadArtefact):
        open_prompt(lab, one.meta.id)
    assert read_metas(lab, kept_prompts(lab)) == []


def test_damaged_numbers_are_refused(tmp_path: Path):
    lab = Lab(tmp_path)
    one = kept(lab)
    path = one.folder / "numbers.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadArtefact):
        _ = open_prompt(lab, one.meta.id).arrays


def test_fitted_lenses_are_kept_beside_the_logit_lens(tmp_path: Path):
    lab = Lab(tmp_path)
    lens = random_lens(tiny_model())
    one = kept(lab, lenses=(lens,))
    plain, tuned = one.lens(), one.lens("tuned")
    assert one.meta.lenses == ("logit", "tuned")
    assert np.array_equal(plain["lens_ids"], kept(lab).arrays["lens_ids"])
    assert not np.array_equal(plain["lens_ids"], tuned["lens_ids"])
    assert set(one.texts) == set(np.unique([plain["lens_ids"], tuned["lens_ids"]]).tolist())
    direct = tiny_model().run(torch.tensor([3, 14, 15, 0, 26]), capture=["resid_post.1"])
    with torch.no_grad():
        logits = tiny_model().unembed(lens.maps(direct["resid_post.1"][0], 1))
    assert tuned["lens_ids"][1, :, 0].tolist() == logits.argmax(-1).tolist()
    with pytest.raises(UnknownName, match="hooke fit-lens tiny --kind jacobian"):
        one.lens("jacobian")
    with pytest.raises(BadRequest, match="Kinds"):
        one.lens("other")


def test_a_prompt_from_before_there_were_fitted_lenses_opens(tmp_path: Path):
    lab = Lab(tmp_path)
    one = kept(lab)
    meta = read_json(one.folder / "meta.json")
    del meta["lenses"]
    write_json(one.folder / "meta.json", meta)
    again = open_prompt(lab, one.meta.id)
    assert again.lens()["lens_ids"].shape == (3, 5, 10)
