"""A dictionary of a model whose weights were drawn anew: made once, kept, and of nothing that was learnt."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hooke.dictionaries import Dictionary
from hooke.errors import BadRequest
from hooke.evaluate.quality import Subject
from hooke.evaluate.untrained import NAME, untrained
from hooke.lab import Lab
from hooke.text.windows import WindowConfig
from tests.features.planted import N_FEATURES, SITE, planted_corpus, planted_dictionary, planted_model

WINDOWS = WindowConfig(context=32, batch=3)


@pytest.fixture(scope="module")
def own() -> Subject:
    model = planted_model()
    return Subject("planted", planted_dictionary(model), model)


def test_it_is_as_wide_and_of_another_model(own: Subject, tmp_path: Path):
    lab = Lab(tmp_path)
    made = untrained(own, planted_corpus(), n_tokens=320, windows=WINDOWS, lab=lab)
    assert made.name == NAME
    assert (made.dictionary.n_features, made.dictionary.config.reads) == (N_FEATURES, (SITE,))
    assert made.model.name == "planted, weights drawn anew"
    assert lab.names("dictionaries") == ["planted-anew-320-0"]
    # Tokens are unit vectors in the model as it is, and are not in the one drawn anew.
    tokens = torch.arange(1, 9)[None]
    learnt, anew = (one.run(tokens, capture=[SITE])[SITE][0] for one in (own.model, made.model))
    assert not torch.allclose(learnt, anew)
    again = untrained(own, planted_corpus(), n_tokens=320, windows=WINDOWS, lab=lab)
    assert torch.equal(again.dictionary.W_dec, made.dictionary.W_dec)


def test_what_writes_elsewhere_has_no_such_null(own: Subject, tmp_path: Path):
    weights = {name: weight.data for name, weight in own.dictionary.named_parameters()}
    config = replace(own.dictionary.config, reads=("resid_pre.0",))
    crossing = Subject("crossing", Dictionary(config, **weights), own.model)
    with pytest.raises(BadRequest, match="has no such null"):
        untrained(crossing, planted_corpus(), n_tokens=320, windows=WINDOWS, lab=Lab(tmp_path))
