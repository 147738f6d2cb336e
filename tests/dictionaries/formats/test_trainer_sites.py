import json
from pathlib import Path

import pytest

from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.trainer_sites import sites_of_trainer
from hooke.dictionaries.load import load_dictionary
from hooke.errors import BadRequest
from tests.dictionaries.formats.test_dictionary_learning import change, copy


@pytest.mark.parametrize(
    ("name", "io", "sites"),
    [
        ("resid_pre_layer_1", "out", ("resid_pre.1", "resid_pre.1")),
        ("mlp_out_layer1", "out", ("mlp_out.1", "mlp_out.1")),
        ("resid_out_layer_1", "out", ("resid_post.1", "resid_post.1")),
        ("mlp_out_layer_1", "in_and_out", ("mlp_in.1", "mlp_out.1")),
        ("gpt_neox.layers.1", "out", ("resid_post.1", "resid_post.1")),
        ("model.layers.1", "in", ("resid_pre.1", "resid_pre.1")),
        ("model.layers.1.mlp", "in_and_out", ("mlp_in.1", "mlp_out.1")),
        ("", "out", ("resid_post.1", "resid_post.1")),
    ],
)
def test_each_spelling_of_a_place_is_read(name: str, io: str, sites: tuple[str, str], tmp_path: Path):
    folder = copy("topk", tmp_path)
    change(folder, submodule_name=name or None)
    change(folder, "buffer", io=io)
    found = load_dictionary(folder).config
    assert (found.reads, found.writes) == ((sites[0],), (sites[1],))


@pytest.mark.parametrize(
    ("trainer", "buffer", "told"),
    [
        ({"submodule_name": "somewhere"}, {}, "somewhere"),
        ({"submodule_name": "resid_post_layer_2"}, {}, r"layer is 1.*resid_post\.2"),
        ({}, {"io": "in"}, "no input"),
        ({"submodule_name": "model.layers.1.mlp", "lm_name": "google/gemma-2-2b"}, {}, "gemma-2"),
        ({"submodule_name": "mlp_out_layer_1", "lm_name": "google/gemma-2-2b"}, {}, "norm stands between"),
    ],
)
def test_places_that_are_not_plain_are_asked_for(trainer: dict, buffer: dict, told: str, tmp_path: Path):
    folder = copy("topk", tmp_path)
    change(folder, **trainer)
    change(folder, "buffer", **buffer)
    with pytest.raises(BadRequest, match=f"{told}.*--site"):
        load_dictionary(folder)
    assert load_dictionary(folder, given=Given(site="resid_mid.1")).config.writes == ("resid_mid.1",)


def test_what_nothing_around_it_tells_is_asked_for(tmp_path: Path):
    folder = copy("transcoder", tmp_path).rename(tmp_path / "mine")
    change(folder, submodule_name=None, lm_name=None)
    with pytest.raises(BadRequest, match="No folder around it"):
        load_dictionary(folder)
    with pytest.raises(BadRequest, match="no such input"):
        load_dictionary(folder, given=Given(site="resid_post.3"))
    with pytest.raises(BadRequest, match="of which model"):
        load_dictionary(folder, given=Given(site="mlp_in.3"))
    found = load_dictionary(folder, given=Given(site="mlp_in.3", model="mine")).config
    assert (found.model, found.writes) == ("mine", ("mlp_out.3",))


def test_the_nearest_folder_that_is_named_tells(tmp_path: Path):
    config = tmp_path / "mlp_out_layer_3_old" / "resid_post_layer_12_checkpoints" / "trainer_0" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps({"trainer": {"layer": 12}}))
    assert [str(site) for site in sites_of_trainer(config, None, "tiny")] == ["resid_post.12"] * 2
