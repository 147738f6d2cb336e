from pathlib import Path

import pytest
import torch

from hooke.dictionaries import Dictionary, load
from hooke.dictionaries.formats.native import save_dictionary
from hooke.dictionaries.formats.native_sets import save_set
from hooke.dictionaries.load import find_dictionary, load_any, load_dictionary
from hooke.errors import BadArtefact, UnknownName
from hooke.lab import open_lab
from tests.dictionaries.test_dictionary import dictionary
from tests.dictionaries.transcoders import LAYERS, transcoder_set


@pytest.fixture
def starters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(load, "STARTERS", tmp_path / "starter")
    return tmp_path / "starter"


def test_a_folder_a_name_in_the_lab_and_a_starter_are_found(starters: Path):
    lab = open_lab()
    in_lab, starter = lab.path("dictionaries", "mine"), starters / "smollm2-res"
    save_dictionary(dictionary("topk"), in_lab)
    save_dictionary(dictionary("relu"), starter)
    assert load_dictionary("mine").config.kind == "topk"
    assert load_dictionary("mine", lab=lab).config.kind == "topk"
    assert load_dictionary(in_lab).config.kind == "topk"
    assert load_dictionary(str(in_lab)).config.kind == "topk"
    assert load_dictionary("smollm2-res").config.kind == "relu"
    assert load_dictionary("starter").config.kind == "relu"


def test_the_lab_goes_before_the_starters(starters: Path):
    save_dictionary(dictionary("topk"), open_lab().path("dictionaries", "smollm2-res"))
    save_dictionary(dictionary("relu"), starters / "smollm2-res")
    assert find_dictionary("smollm2-res") == open_lab().path("dictionaries", "smollm2-res")


def test_one_or_several_layers_are_opened_for_what_they_are(tmp_path: Path):
    save_set(transcoder_set(), tmp_path / "set")
    several = load_any(tmp_path / "set")
    assert not isinstance(several, Dictionary)
    assert several.layers == LAYERS
    save_dictionary(dictionary("relu"), tmp_path / "one")
    one = load_any(tmp_path / "one", dtype=torch.float16)
    assert isinstance(one, Dictionary)
    assert one.W_enc.dtype == torch.float16


def test_dtype_is_as_asked(tmp_path: Path):
    save_dictionary(dictionary("jumprelu"), tmp_path / "made")
    made = load_dictionary(tmp_path / "made", dtype=torch.float16)
    assert {parameter.dtype for parameter in made.parameters()} == {torch.float16}


def test_an_unknown_name_is_told_with_the_nearest_one(starters: Path):
    save_dictionary(dictionary(), open_lab().path("dictionaries", "smollm2-mlp"))
    with pytest.raises(UnknownName, match="Did you mean 'smollm2-mlp'"):
        load_dictionary("smollm-mlp")
    with pytest.raises(UnknownName, match=r"There are: smollm2-mlp"):
        load_dictionary("something")


def test_a_starter_that_is_not_installed_is_told(starters: Path):
    with pytest.raises(UnknownName, match="There are none yet"):
        load_dictionary("starter")


def test_a_path_where_nothing_is_is_told(tmp_path: Path):
    with pytest.raises(UnknownName, match="Nothing is there"):
        load_dictionary(tmp_path / "none")


def test_a_folder_of_an_unknown_format_is_told_by_its_files(tmp_path: Path):
    (tmp_path / "weights.npz").write_bytes(b"")
    with pytest.raises(BadArtefact, match=r"weights\.npz.*formats: native"):
        load_dictionary(tmp_path)


class Evil:
    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("name", ["ae.pt", "pytorch_model.bin", "sae.pkl"])
def test_a_pickle_is_refused_and_never_loaded(tmp_path: Path, name: str):
    torch.save({"W_enc": Evil()}, tmp_path / name)
    for ref in (tmp_path, tmp_path / name):
        with pytest.raises(BadArtefact, match=f"{name} is a pickle"):
            load_dictionary(ref)
