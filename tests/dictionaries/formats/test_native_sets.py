import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hooke.dictionaries.formats.native_sets import (
    is_crosslayer,
    is_set,
    open_crosslayer,
    open_set,
    save_crosslayer,
    save_replacement,
    save_set,
)
from hooke.dictionaries.load import load_dictionary, load_replacement
from hooke.errors import BadArtefact, BadRequest, UnknownName
from hooke.lab import open_lab
from tests.dictionaries.transcoders import LAYERS, crosslayer, streams, transcoder, transcoder_set


def test_a_set_comes_back(tmp_path: Path):
    made = transcoder_set()
    save_set(made, tmp_path / "set", metrics={"fvu": 0.5}, provenance={"seed": 1})
    found = open_set(tmp_path / "set")
    assert (found.name, found.model, found.layers) == ("small", "tiny", LAYERS)
    for layer, x in streams().items():
        assert torch.equal(found.transcoder(layer)(x), made.transcoder(layer)(x))
    assert json.loads((tmp_path / "set" / "metrics.json").read_text()) == {"fvu": 0.5}


def test_weights_are_read_when_a_layer_is_asked_for(tmp_path: Path):
    save_set(transcoder_set(), tmp_path / "set")
    (tmp_path / "set" / "layer-2" / "weights.safetensors").write_bytes(b"cut")
    found = open_set(tmp_path / "set")
    found.bias(0)
    with pytest.raises(BadArtefact, match="weights.safetensors"):
        found.bias(2)


def test_a_set_with_a_layer_missing_is_refused(tmp_path: Path):
    save_set(transcoder_set(), tmp_path / "set")
    (tmp_path / "set" / "layer-1" / "config.json").unlink()
    with pytest.raises(BadArtefact, match="layer-1"):
        open_set(tmp_path / "set")


def test_a_layer_of_another_model_is_refused(tmp_path: Path):
    save_set(transcoder_set(), tmp_path / "set")
    path = tmp_path / "set" / "layer-1" / "config.json"
    path.write_text(path.read_text().replace('"tiny"', '"huge"'))
    with pytest.raises(BadArtefact, match="of 'huge'; the set is of 'tiny'"):
        open_set(tmp_path / "set")


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "hooke-transcoder-set"}'])
def test_damaged_descriptions_are_refused(tmp_path: Path, text: str):
    for name, opened in (("set.json", open_set), ("crosslayer.json", open_crosslayer)):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadArtefact):
            opened(tmp_path)


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "other"}, {"layers": []}, {"layers": [-1]}])
def test_other_formats_and_layers_are_refused(tmp_path: Path, change: dict):
    save_set(transcoder_set(), tmp_path / "set")
    path = tmp_path / "set" / "set.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadArtefact, match=r"set\.json"):
        open_set(tmp_path / "set")


@pytest.mark.parametrize("kind", ["topk", "jumprelu"])
def test_a_cross_layer_transcoder_comes_back(kind: str, tmp_path: Path):
    made = crosslayer(kind, skip=True)
    save_crosslayer(made, tmp_path / "cross")
    found = open_crosslayer(tmp_path / "cross")
    assert found.config == made.config
    for layer in LAYERS:
        for name, tensor in made.tensors(layer).items():
            assert torch.equal(found.tensors(layer)[name], tensor), name


def test_half_of_the_bytes_keep_three_digits(tmp_path: Path):
    made = crosslayer()
    save_crosslayer(made, tmp_path / "cross", storage="float16")
    found, chosen = open_crosslayer(tmp_path / "cross"), torch.arange(10)
    assert found.decoder_rows(0, chosen, 2).dtype == torch.float32
    torch.testing.assert_close(found.decoder_rows(0, chosen, 2), made.decoder_rows(0, chosen, 2), rtol=1e-3, atol=1e-4)
    assert load_file(tmp_path / "cross" / "layer-0.safetensors")["W_dec"].dtype == torch.float16
    made.tensors(0)["W_dec"][0, 0] = 1e6
    with pytest.raises(BadRequest, match="float16"):
        save_crosslayer(made, tmp_path / "big", storage="float16")
    with pytest.raises(BadRequest, match="int8"):
        save_crosslayer(made, tmp_path / "big", storage="int8")
    assert not (tmp_path / "big").exists()


def test_a_cross_layer_folder_that_lacks_a_layer_or_has_other_shapes_is_refused(tmp_path: Path):
    save_crosslayer(crosslayer(), tmp_path / "cross")
    path = tmp_path / "cross" / "layer-1.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"W_dec": tensors["W_dec"][:, :1].contiguous()}, path)
    with pytest.raises(BadArtefact, match=r"W_dec \(10, 1, 6\).*W_dec \(10, 2, 6\)"):
        open_crosslayer(tmp_path / "cross").bias(1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadArtefact):
        open_crosslayer(tmp_path / "cross").bias(1)
    path.unlink()
    with pytest.raises(BadArtefact, match=r"no layer-1\.safetensors"):
        open_crosslayer(tmp_path / "cross")


def test_a_poisoned_encoder_is_refused_and_a_poisoned_decoder_row_when_it_is_read(tmp_path: Path):
    save_crosslayer(crosslayer(), tmp_path / "cross")
    path = tmp_path / "cross" / "layer-0.safetensors"
    tensors = load_file(path)
    tensors["W_dec"][3] = torch.nan
    save_file(tensors, path)
    found = open_crosslayer(tmp_path / "cross")
    found.decoder_rows(0, torch.tensor([2]), 1)
    with pytest.raises(BadArtefact, match="not finite"):
        found.decoder_rows(0, torch.tensor([3]), 1)
    tensors["b_enc"][0] = torch.nan
    save_file(tensors, path)
    with pytest.raises(BadArtefact, match="'b_enc'"):
        open_crosslayer(tmp_path / "cross").bias(0)


def test_names_of_the_lab_lead_to_replacements_and_to_layers_of_a_set(tmp_path: Path):
    lab = open_lab()
    save_set(transcoder_set(), lab.path("dictionaries", "small"))
    save_crosslayer(crosslayer(), lab.path("dictionaries", "cross"))
    assert load_replacement("small").layers == LAYERS
    assert load_replacement(lab.path("dictionaries", "cross")).targets(1) == (1, 2)
    assert load_dictionary("small.1").name == "small.1"
    assert load_replacement("small.1").layers == (1,)
    with pytest.raises(UnknownName, match=r"No dictionary 'small\.7'"):
        load_dictionary("small.7")
    for name in ("small", "cross"):
        with pytest.raises(BadArtefact, match="several layers"):
            load_dictionary(name)
    assert is_set(lab.path("dictionaries", "small"))
    assert is_crosslayer(lab.path("dictionaries", "cross"))


@pytest.mark.parametrize("made", [transcoder_set(), crosslayer()], ids=["set", "crosslayer"])
def test_a_replacement_is_kept_under_another_name(made, tmp_path: Path):
    save_replacement(made, tmp_path / "made", name="renamed", model="owner/tiny", storage="float16")
    found, chosen = load_replacement(tmp_path / "made"), torch.arange(10)
    assert (found.name, found.model) == ("renamed", "owner/tiny")
    rows = made.decoder_rows(1, chosen, 1)
    torch.testing.assert_close(found.decoder_rows(1, chosen, 1), rows, rtol=1e-3, atol=1e-4)


def test_a_dictionary_that_is_no_transcoder_is_no_replacement(tmp_path: Path):
    from hooke.dictionaries import save_dictionary

    save_dictionary(transcoder(1, reads="resid_pre"), tmp_path / "made")
    with pytest.raises(BadArtefact, match=r"stands in for no MLP.*reads resid_pre\.1"):
        load_replacement(tmp_path / "made")
