"""Directions from texts, features and probes."""

from pathlib import Path

import pytest
import torch

from hooke.directions.direction import check_fits
from hooke.directions.fit_probe import FitConfig
from hooke.directions.make_direction import direction_of_feature, direction_of_probe, direction_of_texts
from hooke.directions.pooling import Pooling
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab
from hooke.sites import parse_feature
from hooke.text.concepts import Labelled
from tests.directions.made import probe_of
from tests.features.planted import planted_dictionary, planted_model


def items() -> list[Labelled]:
    words = ("river", "song", "album", "stone", "water", "piano", "Paris", "London")
    return [
        Labelled(text=f"the {a} {word} {b} .", label=word == "music", group=a + b, style="")
        for a in words
        for b in words[:4]
        for word in ("music", "bridge")
    ]


def test_texts_give_what_sets_them_apart_beside_its_controls(tmp_path: Path) -> None:
    model = planted_model()
    config = FitConfig(methods=("means",), poolings=("mean",))
    found = direction_of_texts(model, items(), name="music", concept="music", lab=Lab(tmp_path), config=config)
    check_fits(found, model)
    music = model.tokenizer.convert_tokens_to_ids("Ġmusic")
    assert int(found.vector.argmax()) == music
    random, dealt = found.findings
    assert random.value == dealt.value > 0.99
    assert random.control_name.startswith("random directions")
    assert dealt.control is not None
    assert dealt.control < 0.8


def test_probes_of_several_vectors_are_no_direction(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="several vectors"):
        direction_of_texts(planted_model(), items(), name="a", concept="", lab=Lab(tmp_path), config=FitConfig())
    probe = probe_of(planted_model(), Pooling(), sites=("resid_post.0", "resid_pre.0"))
    with pytest.raises(BadRequest, match="no single direction"):
        direction_of_probe(probe, name="b")


def test_a_probe_of_one_site_is_one() -> None:
    probe = probe_of(planted_model(), Pooling())
    found = direction_of_probe(probe, name="b")
    assert (found.name, found.site) == ("b", "resid_post.0")
    torch.testing.assert_close(found.vector, probe.vectors[0])


def test_a_feature_gives_its_decoder_row() -> None:
    model = planted_model()
    dictionary = planted_dictionary(model)
    found = direction_of_feature(model, dictionary, parse_feature("resid_post.0/1@planted"), name="music")
    torch.testing.assert_close(found.vector, dictionary.W_dec[1].detach())
    assert found.made.concept == "resid_post.0/1@planted"
    with pytest.raises(UnknownName, match="No feature"):
        direction_of_feature(model, dictionary, parse_feature("resid_post.0/99@planted"), name="none")
