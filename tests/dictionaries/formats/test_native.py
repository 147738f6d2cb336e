import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hooke.dictionaries.dictionary import Dictionary
from hooke.dictionaries.formats import native
from hooke.dictionaries.formats.native import is_native, load_native, read_config, save_dictionary
from hooke.errors import BadArtefact, BadRequest, HookeError, OutOfSpace
from tests.dictionaries.test_dictionary import KINDS, dictionary, inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_dictionary(dictionary("jumprelu"), tmp_path / "made")
    return tmp_path / "made"


def weights(made: Dictionary) -> dict[str, torch.Tensor]:
    return dict(made.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_float32_comes_back_bit_for_bit(kind: str, tmp_path: Path):
    made = dictionary(kind)
    save_dictionary(made, tmp_path / "made")
    loaded = load_native(tmp_path / "made")
    assert loaded.config == made.config
    assert weights(loaded).keys() == weights(made).keys()
    for name, tensor in weights(made).items():
        assert torch.equal(weights(loaded)[name], tensor), name


@pytest.mark.parametrize(("storage", "tolerance"), [("float32", 0.0), ("float16", 2**-11), ("int8", 1 / 254)])
def test_a_skip_is_kept(storage: native.Storage, tolerance: float, tmp_path: Path):
    made = dictionary("jumprelu", skip=True)
    save_dictionary(made, tmp_path / "made", storage=storage)
    loaded = load_native(tmp_path / "made")
    assert made.skip is not None
    assert loaded.skip is not None
    largest = made.skip.abs().amax(0, keepdim=True)
    assert bool(((made.skip - loaded.skip).abs() <= largest * tolerance * 1.001).all())


# float16 keeps 11 bits, int8 half a step of 1/127 of the feature's largest weight.
@pytest.mark.parametrize(("storage", "share"), [("float16", 2**-11), ("int8", 1 / 254)])
def test_smaller_storage_loses_no_more_than_it_must(storage: native.Storage, share: float, tmp_path: Path):
    made = dictionary("jumprelu")
    made.W_dec.data[3] *= 1e-3  # A small feature keeps its own scale.
    made.W_dec.data[4] = 0
    save_dictionary(made, tmp_path / "made", storage=storage)
    loaded = load_native(tmp_path / "made")
    assert all(tensor.dtype == torch.float32 for tensor in weights(loaded).values())
    for name, axis in (("W_enc", 0), ("W_dec", 1)):
        before, after = weights(made)[name], weights(loaded)[name]
        assert bool(((before - after).abs() <= before.abs().amax(axis, keepdim=True) * share * 1.001).all())
        assert not torch.equal(before, after)
    for name in ("b_enc", "b_dec", "threshold"):
        assert torch.equal(weights(loaded)[name], weights(made)[name])


def test_smaller_storage_is_smaller(tmp_path: Path):
    made = dictionary("topk", n_features=300, d_in=60, d_out=60)
    sizes = {}
    for storage in ("float32", "float16", "int8"):
        save_dictionary(made, tmp_path / storage, storage=storage)
        sizes[storage] = (tmp_path / storage / "weights.safetensors").stat().st_size
    assert sizes["float16"] < 0.55 * sizes["float32"]
    assert sizes["int8"] < 0.35 * sizes["float32"]


def test_weights_on_disk_have_the_names_and_shapes_that_are_documented(folder: Path):
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(folder / "weights.safetensors").items()}
    assert shapes == {"W_enc": (6, 10), "b_enc": (10,), "W_dec": (10, 5), "b_dec": (5,), "threshold": (10,)}
    config = json.loads((folder / "config.json").read_text())
    assert (config["format"], config["version"], config["storage"]) == ("hooke-dictionary", 1, "float32")


def test_metrics_and_provenance_are_kept_beside(tmp_path: Path):
    save_dictionary(dictionary(), tmp_path / "made", metrics={"fvu": 0.2}, provenance={"seed": 1})
    assert json.loads((tmp_path / "made" / "metrics.json").read_text()) == {"fvu": 0.2}
    assert json.loads((tmp_path / "made" / "provenance.json").read_text()) == {"seed": 1}


def test_saving_again_replaces_the_older_one(folder: Path):
    save_dictionary(dictionary("topk"), folder)
    assert load_native(folder).config.kind == "topk"
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]


def test_what_float16_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path):
    made = dictionary()
    made.W_dec.data[0, 0] = 1e5
    with pytest.raises(BadRequest, match=r"W_dec.*65504"):
        save_dictionary(made, tmp_path / "made", storage="float16")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OutOfSpace):
        save_dictionary(dictionary(), tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_the_config_is_read_without_the_weights(folder: Path):
    (folder / "weights.safetensors").write_bytes(b"")
    config, storage = read_config(folder)
    assert (config.name, storage) == ("small", "float32")


def change_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["dictionary"] |= changes.pop("dictionary", {})
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"version": 2},
        {"storage": "float8"},
        {"dictionary": {"n_features": 11}},
        {"dictionary": {"n_features": 10**12}},
        {"dictionary": {"n_features": "many"}},
        {"dictionary": {"kind": "unheard of"}},
        {"dictionary": {"kind": "relu"}},
        {"dictionary": {"k": 0}},
        {"dictionary": {"reads": ["nowhere.3"]}},
        {"dictionary": {"surprise": 1}},
    ],
)
def test_a_config_that_lies_is_refused(folder: Path, changes: dict):
    change_config(folder, **changes)
    with pytest.raises(BadArtefact):
        load_native(folder)


def test_a_missing_setting_and_a_missing_file_are_refused(folder: Path):
    config = json.loads((folder / "config.json").read_text())
    del config["dictionary"]["d_in"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadArtefact, match="d_in"):
        load_native(folder)
    (folder / "config.json").unlink()
    assert not is_native(folder)
    with pytest.raises(BadArtefact):
        load_native(folder)


def test_int8_weights_without_their_scales_are_refused(tmp_path: Path):
    folder = tmp_path / "made"
    save_dictionary(dictionary("relu"), folder, storage="int8")
    change_config(folder, storage="float32")
    with pytest.raises(BadArtefact, match="scale"):
        load_native(folder)
    tensors = load_file(folder / "weights.safetensors")
    save_file({name: tensor for name, tensor in tensors.items() if "scale" not in name}, folder / "weights.safetensors")
    with pytest.raises(BadArtefact, match=r"stored as torch\.int8"):
        load_native(folder)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    files = {}
    for storage in ("float32", "int8"):
        folder = tmp_path_factory.mktemp("fuzz") / storage
        save_dictionary(dictionary("matryoshka"), folder, storage=storage)
        files[storage] = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    storage=st.sampled_from(["float32", "int8"]),
    name=st.sampled_from(["config.json", "weights.safetensors"]),
    at=st.floats(0, 1),
    new=st.binary(max_size=12),
    dropped=st.integers(0, 40),
    cut=st.booleans(),
)
@example(storage="float32", name="weights.safetensors", at=0.0, new=b"\xff" * 8, dropped=8, cut=False)
@example(storage="float32", name="weights.safetensors", at=0.0, new=b"PK\x03\x04\x14\x00\x00\x00", dropped=8, cut=False)
def test_damaged_files_are_refused_or_give_a_sound_dictionary(
    originals, tmp_path: Path, storage: str, name: str, at: float, new: bytes, dropped: int, cut: bool
):
    for file, content in originals[storage].items():
        if file == name:
            place = int(at * len(content))
            content = content[:place] + new + (b"" if cut else content[place + dropped :])
        (tmp_path / file).write_bytes(content)
    try:
        loaded = load_native(tmp_path)
    except HookeError:
        return
    assert all(bool(tensor.isfinite().all()) for tensor in weights(loaded).values())
    assert loaded(inputs(2, 6)).shape == (2, 5)
