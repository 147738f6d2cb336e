"""Digests: what a monitor was made for, and nothing else, is taken."""

from dataclasses import replace

import pytest
import torch

from hooke.errors import BadArtefact
from hooke.models.model import Model
from hooke.monitors.digests import Digests, check_digests, digests_of
from hooke.specimens.words import word_tokenizer
from tests.models.tiny import tiny_hf, tiny_model


def _model(words: tuple[str, ...], template: str | None = None) -> Model:
    tokenizer = word_tokenizer(words)
    tokenizer.chat_template = template
    return Model(tiny_hf("llama"), tokenizer, name="tiny", fingerprint="abc")


def test_each_part_has_a_digest_of_its_own() -> None:
    plain = digests_of(_model(("up", "down")))
    assert (plain.model, plain.precision, plain.template) == ("abc", "float32", "")
    assert plain.differing(digests_of(_model(("up", "left")))) == ("tokenizer",)
    assert plain.differing(digests_of(_model(("up", "down"), "{{ messages }}"))) == ("template",)
    half = Model(tiny_hf("llama").to(torch.bfloat16), word_tokenizer(("up", "down")), name="tiny", fingerprint="abc")
    assert plain.differing(digests_of(half)) == ("precision",)


def test_settings_of_a_call_do_not_change_the_tokenizers_digest() -> None:
    model = _model(("up", "down"))
    before = digests_of(model)
    model.tokenizer(["up", "up down"], padding=True, truncation=True, max_length=8)
    assert digests_of(model) == before


def test_a_model_without_a_tokenizer_has_none() -> None:
    assert digests_of(tiny_model()) == Digests(precision="float32")


def test_another_digest_is_refused_unless_forced() -> None:
    found = Digests(model="a", template="t")
    check_digests("m", found, found)
    with pytest.raises(BadArtefact, match="template t, not u"):
        check_digests("m", replace(found, template="u"), found)
    check_digests("m", replace(found, template="u"), found, force=True)
