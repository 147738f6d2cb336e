"""A model that knows cities by construction, with dictionaries that keep their attributes apart, and that do not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hooke.dictionaries import Dictionary, DictionaryConfig
from hooke.errors import BadRequest
from hooke.evaluate import disentanglement as module
from hooke.evaluate.disentanglement import disentanglement, known_cities, read_cities, values_of
from hooke.evaluate.quality import Subject
from hooke.models.model import Model
from hooke.sites import parse_site
from hooke.text.cities import ATTRIBUTES, City

SITE = "resid_post.0"
CITIES = tuple(
    City(f"city{country}{language}{n}", f"land{country}", f"part{(country + language) % 2}", f"tongue{language}")
    for country in range(3)
    for language in range(3)
    for n in range(2)
)
VALUES = sorted({city.value(attribute) for city in CITIES for attribute in ATTRIBUTES})


@pytest.fixture(scope="module")
def model() -> Model:
    """Its stream on a city is the sum of its attributes' axes, which are read off as they are."""
    names = ["<|endoftext|>", *(city.name for city in CITIES), *(f"Ġ{value}" for value in VALUES)]
    backend = Tokenizer(models.WordLevel({name: at for at, name in enumerate(names)}, unk_token=names[0]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=names[0], pad_token=names[0])
    config = LlamaConfig(
        vocab_size=len(names), hidden_size=len(VALUES), intermediate_size=4, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, max_position_embeddings=16, tie_word_embeddings=False,
        eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    hf: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        hf.model.embed_tokens.weight.zero_()
        hf.lm_head.weight.zero_()
        for at, city in enumerate(CITIES):
            for attribute in ATTRIBUTES:
                hf.model.embed_tokens.weight[1 + at, VALUES.index(city.value(attribute))] = 1
        hf.lm_head.weight[1 + len(CITIES) :] = torch.eye(len(VALUES))
        hf.model.layers[0].self_attn.o_proj.weight.zero_()
        hf.model.layers[0].mlp.down_proj.weight.zero_()
    return Model(hf, tokenizer, name="cities", fingerprint="cities-0")


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CITIES", CITIES)
    monkeypatch.setattr(module, "TEMPLATES", dict.fromkeys(ATTRIBUTES, "{city}"))


def subject(model: Model, encoder: torch.Tensor, decoder: torch.Tensor, bias: float = 0.0) -> Subject:
    config = DictionaryConfig(
        name="d", model="cities", kind="relu", reads=(SITE,), writes=(SITE,), n_features=encoder.shape[1],
        d_in=model.d_model, d_out=model.d_model,
    )  # fmt: skip
    biases = torch.full((encoder.shape[1],), bias)
    weights = {"W_enc": encoder, "b_enc": biases, "W_dec": decoder, "b_dec": torch.zeros(model.d_model)}
    return Subject("d", Dictionary(config, **weights), model)


def means(found: dict) -> dict[str, float]:
    return {name: float(one.parts.sum() / one.wholes.sum()) for name, one in found.items()}


def test_the_model_knows_its_cities(model: Model):
    assert all(right.all() for right in known_cities(model).values())
    assert values_of(model, "continent")[0] == ["part0", "part1"]


def test_a_feature_for_each_value_keeps_attributes_apart(model: Model):
    own = subject(model, torch.eye(len(VALUES)), torch.eye(len(VALUES)))
    found = means(disentanglement(own, read_cities(model, parse_site(SITE)), ks=(3,)))
    assert found["cause, 3 features"] > 0.95
    # Of two continents the third feature that is chosen is of something else.
    assert found["isolation, 3 features"] > 0.85
    assert found["cause and isolation, 3 features"] > 0.9


def test_the_whole_stream_changes_everything(model: Model):
    own = subject(model, torch.eye(len(VALUES)), torch.eye(len(VALUES)))
    found = means(disentanglement(own, read_cities(model, parse_site(SITE)), ks=(3,), whole=True))
    assert found["cause, 3 features"] == 1
    assert found["isolation, 3 features"] == 0


def test_features_that_write_nothing_change_nothing(model: Model):
    own = subject(model, torch.eye(len(VALUES)), torch.zeros(len(VALUES), len(VALUES)))
    found = means(disentanglement(own, read_cities(model, parse_site(SITE)), ks=(3,)))
    assert found == {"cause and isolation, 3 features": 0.5, "cause, 3 features": 0, "isolation, 3 features": 1}


def test_a_model_that_knows_too_little_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "CITIES", CITIES[:3])
    with pytest.raises(BadRequest, match="knows something of 3 cities"):
        read_cities(model, parse_site(SITE))
    twins = (*CITIES, City("city999", "unheard of", "part0", "tongue0"), City("city998", "unseen", "part0", "tongue0"))
    monkeypatch.setattr(module, "CITIES", twins)
    with pytest.raises(BadRequest, match="does not tell these apart: unheard of, unseen"):
        values_of(model, "country")


def test_what_writes_elsewhere_is_refused(model: Model):
    own = subject(model, torch.eye(len(VALUES)), torch.eye(len(VALUES)))
    read = read_cities(model, parse_site(SITE))
    weights = {name: weight.data for name, weight in own.dictionary.named_parameters()}
    crossing = Dictionary(replace(own.dictionary.config, reads=("resid_pre.0",)), **weights)
    with pytest.raises(BadRequest, match="writes the site that it reads"):
        disentanglement(Subject("crossing", crossing, model), read)
