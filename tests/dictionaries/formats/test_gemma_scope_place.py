import json
from pathlib import Path

import pytest

from hooke.dictionaries.formats.gemma_scope_place import place_of
from hooke.errors import BadArtefact


def test_the_nearest_folders_decide(tmp_path: Path):
    inner = tmp_path / "gemma-scope-2b-pt-res/layer_3/gemma-scope-9b-pt-mlp/layer_5/width_16k/average_l0_9"
    inner.mkdir(parents=True)
    place = place_of(inner)
    assert (place.model, place.reads) == ("google/gemma-2-9b", ("mlp_out.5",))


def test_folders_that_say_nothing_leave_it_open(tmp_path: Path):
    place = place_of(tmp_path)
    assert (place.form, place.model, place.reads, place.claims) == (None, None, (), None)


def test_a_cross_layer_transcoder_is_told_from_a_crosscoder(tmp_path: Path):
    for kind, folder in (("clt", "width_262k_l0_medium"), ("crosscoder", "layer_5_9_12_15_width_65k_l0_medium")):
        (tmp_path / kind / folder).mkdir(parents=True)
        assert place_of(tmp_path / kind / folder).form == kind


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("google/gemma-3-1b-pt", "google/gemma-3-1b-pt"),
        ("gemma-3-27b-it", "google/gemma-3-27b-it"),
        ("google/gemma-3-270m-pt", "google/gemma-3-270m"),
        ("gemma-3-270m-it-v3", "google/gemma-3-270m-it"),
        ("somebody/else", "somebody/else"),
    ],
)
def test_names_of_models_are_those_of_the_hub(tmp_path: Path, name: str, model: str):
    (tmp_path / "config.json").write_text(json.dumps({"model_name": name, "type": "sae"}))
    assert place_of(tmp_path).model == model


@pytest.mark.parametrize(
    "change",
    [
        {"type": "gate"},
        {"type": 7},
        {"architecture": "topk"},
        {"l0": "ten"},
        {"l0": True},
        {"hf_hook_point_in": "model.layers.3.rotary.output"},
        {"hf_hook_point_in": "model.layers.{all}.output"},
        {"model_name": ["gemma"]},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(tmp_path: Path, change: dict):
    (tmp_path / "config.json").write_text(json.dumps({"type": "sae", "model_name": "gemma-3-1b-pt"} | change))
    with pytest.raises(BadArtefact, match="config.json"):
        place_of(tmp_path)
